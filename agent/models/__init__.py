"""Chat models: opened, asked, paid for, recorded and traced."""
