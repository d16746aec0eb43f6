"""The bodies of segmentation, and what is answered."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from msgspec import Meta, Struct

from panope_server.tasks.vision.segment import MAX_SEGMENTS
from panope_server.transport.rest.hugging_face.schemas import CallOptions

Text = Annotated[str, Meta(min_length=1)]
Part = Annotated[float, Meta(ge=0, le=1)]


class SegmentParameters(Struct, forbid_unknown_fields=True):
    """How to divide, in the words of the Inference API.

    Attributes:
        subtask: What segments are. Default: `panoptic` where the model does it, otherwise `semantic`.
        threshold: Tells of segments with a higher score. Default: 0.9. Refused for semantic segments.
        mask_threshold: From which probability on a pixel belongs to a mask. Default: 0.5. Refused where no mask depends
            on it.
        overlap_mask_area_threshold: Leaves out a segment that others cover but for this part of it. Default: 0.5.
            Refused where no segment depends on it.
        max_segments: How many segments to tell of. Default: all, up to 1,000.
        mask_format: `png` for files in base64, `rle` for the uncompressed RLE of COCO. Default: `png`.
    """

    subtask: Literal["semantic", "instance", "panoptic"] | None = None
    threshold: Part | None = None
    mask_threshold: Part | None = None
    overlap_mask_area_threshold: Part | None = None
    max_segments: Annotated[int, Meta(ge=1, le=MAX_SEGMENTS)] | None = None
    mask_format: Literal["png", "rle"] = "png"


class SegmentBody(Struct, forbid_unknown_fields=True):
    """POST /v1/segment: what InferenceClient.image_segmentation sends, and `model`.

    Attributes:
        inputs: An image in base64, as a `data:` URL, or by its URL where the settings `media_urls` allow that.
        model: Absent for the model of the path, or for the only model of the task.
        parameters: How to divide.
        options: How to treat the call.
    """

    inputs: Text
    model: Text | None = None
    parameters: SegmentParameters | None = None
    options: CallOptions | None = None


class RunLengthsJson(TypedDict):
    """A mask as COCO's uncompressed RLE: pixels in turn outside and inside, column by column, outside first."""

    size: list[int]
    """Its height and width."""

    counts: list[int]


class ImageSegmentJson(TypedDict):
    """One segment of the image."""

    label: str
    score: float | None
    """None where the model does not say."""

    mask: str | RunLengthsJson
    """A PNG file in base64, of the image's size: 255 where the segment is, 0 elsewhere; or the lengths of runs."""
