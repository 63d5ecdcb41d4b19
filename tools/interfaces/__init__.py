"""How operations are offered to others; each interface is generated from ``tools.operations.table``."""
