"""The console script ``audience``: every command is a thin wrapper around one function of a floor below."""
