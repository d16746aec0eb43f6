"""Builds the parts of a server, starts and stops them; holds no logic of its own."""
