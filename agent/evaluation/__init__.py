"""How good the conversation is, measured: simulated marketers against what then happened."""
