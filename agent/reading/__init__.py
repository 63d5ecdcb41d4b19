"""Reading what a person said: one message, and the whole request in the words of the data."""
