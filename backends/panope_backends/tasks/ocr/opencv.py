"""OpenCV, or why it is not there."""

from __future__ import annotations

from panope_backends.errors import PreconditionError

try:
    import cv2
except ModuleNotFoundError:
    raise PreconditionError(
        "the package `opencv-python-headless` is not installed: pip install 'panope-serving[ocr]'",
        reason="not_installed",
    ) from None

# Threads of its own would compete with those that run graphs.
cv2.setNumThreads(1)

__all__ = ["cv2"]
