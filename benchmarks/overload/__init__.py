"""A model that is asked for more than it can answer."""
