"""Models that Panope steps: it schedules and samples, they compute logits."""
