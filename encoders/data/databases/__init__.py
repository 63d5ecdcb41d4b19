"""Tables of one's own that lie in a database or a lake: how they are named, read and, by others, written."""
