"""How requests are read without a language model: small rules over words and over what the data has."""
