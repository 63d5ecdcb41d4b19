"""The one sentence of an audience, and conditions in a person's words."""
