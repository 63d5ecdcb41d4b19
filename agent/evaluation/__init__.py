"""How good the conversation is: labelled cases, and what is measured on them."""
