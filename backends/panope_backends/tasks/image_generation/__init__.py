"""Task `image-generation`: a text, and perhaps an image, to images."""
