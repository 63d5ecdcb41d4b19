"""Where saved audiences go: files for ad platforms, one's own systems by signed webhook, and plugins."""
