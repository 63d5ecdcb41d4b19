"""The place Audiences: saved audiences: what is in each, and what became of it."""
