"""A demand learned from a few known users, and the users who are like them."""
