"""What each user did before the as-of date, as sparse counts, and what goes together in it."""
