"""The page: its places, and what they have in common."""
