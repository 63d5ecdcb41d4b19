"""Texts without logic: what the models are told, what the replies say, and the word lists of the rules."""
