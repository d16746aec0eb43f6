"""The ways to run a model: found, rejected, ranked, and why."""
