"""A request's way: one file for each step, each wrapping the next."""
