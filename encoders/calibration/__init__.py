"""From scores to probabilities, and how far a sentence may be believed."""
