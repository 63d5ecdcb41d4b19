"""One file a data set: source tables in, events, items and users out."""
