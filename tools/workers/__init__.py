"""What runs again and again while the server runs: webhooks delivered, old things deleted."""
