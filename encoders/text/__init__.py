"""Text encoders, and reading of demands."""
