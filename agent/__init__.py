"""The conversation: request, demand, approved audience."""
