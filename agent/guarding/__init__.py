"""How the guard reads: text made plain, and the words of each language as patterns."""
