"""How good the conversation is, measured: labelled requests for the guard, simulated marketers for the dialogue."""
