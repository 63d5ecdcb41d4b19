"""The questions of the benchmark, one a file. Each gives sections of the report."""
