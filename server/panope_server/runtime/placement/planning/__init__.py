"""From a model's name to a plan that a worker can load."""
