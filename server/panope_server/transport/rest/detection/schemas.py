"""The bodies of detection, and what is answered."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict

from msgspec import Meta, Struct

from panope_server.tasks.vision.classify_images import MAX_LABELS
from panope_server.tasks.vision.detect import MAX_BOXES, MAX_DETECTIONS
from panope_server.transport.rest.hugging_face.schemas import CallOptions

Text = Annotated[str, Meta(min_length=1)]


class BoxBody(Struct, forbid_unknown_fields=True):
    """A rectangle, in pixels of the image as it is shown."""

    xmin: float
    ymin: float
    xmax: float
    ymax: float


class DetectParameters(Struct, forbid_unknown_fields=True):
    """How to look, in the words of the Inference API.

    Attributes:
        threshold: Tells of what has a higher score. Default: 0.5; 0.1 with `candidate_labels`, 0.3 of poses.
        max_detections: How many to tell of, those of the highest scores. Default: all, up to 1,000.
        candidate_labels: What to look for, for a model that looks for what texts say.
        boxes: Where people stand, for a model that looks for their points, as VitPose does. Default: the whole image.
    """

    threshold: Annotated[float, Meta(ge=0, le=1)] | None = None
    max_detections: Annotated[int, Meta(ge=1, le=MAX_DETECTIONS)] | None = None
    candidate_labels: Annotated[list[Text], Meta(min_length=1, max_length=MAX_LABELS)] | None = None
    boxes: Annotated[list[BoxBody], Meta(min_length=1, max_length=MAX_BOXES)] | None = None


class DetectBody(Struct, forbid_unknown_fields=True):
    """POST /v1/detect: what InferenceClient.object_detection sends, and `model`.

    Attributes:
        inputs: An image in base64, as a `data:` URL, or by its URL where the settings `media_urls` allow that.
        model: Absent for the model of the path, or for the only model of the task.
        parameters: How to look.
        options: How to treat the call.
    """

    inputs: Text
    model: Text | None = None
    parameters: DetectParameters | None = None
    options: CallOptions | None = None


class BoxJson(TypedDict):
    """A rectangle, in whole pixels of the image as it is shown."""

    xmin: int
    ymin: int
    xmax: int
    ymax: int


class KeypointJson(TypedDict):
    """A point of a thing, in pixels of the image as it is shown."""

    name: str
    score: float
    x: float
    y: float


class DetectionJson(TypedDict):
    """One thing in the image."""

    label: str
    score: float
    box: BoxJson

    keypoints: NotRequired[list[KeypointJson]]
    """Its points, of a model that gives some."""
