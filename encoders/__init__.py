"""Text and users in one space."""
