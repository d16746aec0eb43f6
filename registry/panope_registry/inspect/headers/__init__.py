"""Readers of weights files' headers: facts without the weights. Headers are hostile input; every count is bounded."""
