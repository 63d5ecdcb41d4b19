"""What is kept: SQLite files, the registry, vectors, uploads."""
