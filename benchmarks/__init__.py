"""Tasks, baselines, evaluation sets and figures; not part of the installed package."""
