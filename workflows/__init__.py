"""The stories: what happens next, and nothing else."""
