"""Erasing users from everything a workspace holds, one file a kind of place."""
