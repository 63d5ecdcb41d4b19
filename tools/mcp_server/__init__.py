"""The audience service as tools of the Model Context Protocol; the docstring of a tool is what a model reads of it."""
