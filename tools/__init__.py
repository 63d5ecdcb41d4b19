"""What an agent may do with audiences."""
