"""Work that takes a while: jobs, what became of them, and answers that are given once."""
