"""The place Results: what was forecast, and what then happened."""
