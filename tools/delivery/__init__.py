"""What leaves: exports, destinations, webhooks."""
