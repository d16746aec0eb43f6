"""Models of images and audio beside the raw engine."""
