"""One message, read once: what it wants, and everything it says about whom, when, how many and what is to be done."""
