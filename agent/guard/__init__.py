"""What may not be targeted: a reader of disguises, word lists and a classifier."""
