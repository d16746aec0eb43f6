"""Services of images."""
