"""Task `frame-interpolation`: a video to one with more frames."""
