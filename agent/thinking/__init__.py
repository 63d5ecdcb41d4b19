"""Two ways to decide the next step of a conversation: rules, and a language model with the rules to fall back on."""
