"""Graphs that `panope.json` describes, as the tasks of images run them."""
