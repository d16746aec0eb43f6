"""Deals the calls of an alias among several targets: by weights, or by what is observed of them."""
