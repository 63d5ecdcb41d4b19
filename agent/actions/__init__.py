"""What a step does: audiences proposed, amended, saved, exported, measured, combined."""
