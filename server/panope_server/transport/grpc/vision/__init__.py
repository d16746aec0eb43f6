"""Services of pictures."""
