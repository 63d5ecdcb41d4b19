"""What may be asked of the service: each operation is one function and one row of ``tools.operations.table``."""
