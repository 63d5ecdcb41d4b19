"""The dual encoder: its user tower, its demand-conditioned match and the head that joins them."""
