"""From files to a spec: what a table's columns most likely mean, with how many rows of a sample fit."""
