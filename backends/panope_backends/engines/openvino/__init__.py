"""OpenVINO: graphs as tensors, conversion and compression."""
