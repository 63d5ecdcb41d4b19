"""Erasing users from everything that is kept."""
