"""AdCP Signals."""
