"""Recognises graphs of other libraries by what they take and give, and writes the `panope.json` that describes them."""
