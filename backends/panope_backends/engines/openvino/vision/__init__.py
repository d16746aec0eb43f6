"""Models of images in OpenVINO's format."""
