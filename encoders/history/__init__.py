"""What a user did before the as-of date: events, counts and activity."""
