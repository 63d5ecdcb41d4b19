"""Audiences: sized, profiled, explained, combined, refreshed and measured."""
