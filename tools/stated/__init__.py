"""What a person's English says beside the demand, read clause by clause."""
