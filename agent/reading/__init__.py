"""Reading what a person said: one message as one value, and the whole request in the words of the data."""
