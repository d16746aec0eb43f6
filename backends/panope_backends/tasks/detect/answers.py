"""What was found in an image, as the message to the server."""

from __future__ import annotations

from collections.abc import Sequence

from panope.worker.v1 import detect_pb2 as messages
from panope_backends.tasks.detect.decoding import Boxes


def detections_message(
    width: int, height: int, found: Boxes, labels: Sequence[str], points: Sequence[str]
) -> messages.Detections:
    """The boxes of one image, in its own pixels.

    Args:
        width: of the image.
        height: the same.
        found: those that are told.
        labels: by their ids.
        points: the names of the points of each.
    """
    return messages.Detections(
        width=width,
        height=height,
        scores=found.scores.tolist(),
        labels=[labels[index] for index in found.labels],
        corners=found.corners.ravel().tolist(),
        keypoint_names=points if found.keypoints is not None else (),
        keypoints=() if found.keypoints is None else found.keypoints.ravel().tolist(),
    )
