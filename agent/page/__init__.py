"""The parts of the page that are pure functions: data in, HTML or a figure out."""
