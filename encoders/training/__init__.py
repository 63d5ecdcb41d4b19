"""How the encoder learns: windows and labels, losses, the two stages and the head."""
