"""Labels: sentences about what users did next, written by a language model, checked, and kept."""
