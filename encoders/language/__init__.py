"""Sentences: read as demands, embedded as vectors, named for people."""
