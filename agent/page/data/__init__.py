"""The place Data: what was read, and how far it carries."""
