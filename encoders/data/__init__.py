"""Source tables in; events, items and users out, behind the as-of wall."""
