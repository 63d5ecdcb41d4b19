"""The fixed answers a question offers."""

ALL = "All of them"
DECIDE = "You decide"
NEWNESS = ("Everyone", "Only for the first time")
HORIZONS = ("The next 7 days", "The next 28 days", "The next 91 days")
