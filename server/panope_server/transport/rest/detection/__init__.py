"""The routes that look for things in pictures."""
