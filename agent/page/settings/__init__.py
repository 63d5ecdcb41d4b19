"""The place Settings: language model, tokens, destinations and how long things are kept."""
