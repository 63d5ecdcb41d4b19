"""Evaluation sets and figures of the conversation and of the guard."""
