"""Telling other programs what happened to saved audiences: subscriptions, an outbox, and who empties it."""
