"""What users did, as features of the model."""
