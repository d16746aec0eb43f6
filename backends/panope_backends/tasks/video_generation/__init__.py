"""Task `video-generation`: a text to a video."""
