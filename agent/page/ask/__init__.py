"""Where one asks: the conversation, and the audience that comes of it."""
