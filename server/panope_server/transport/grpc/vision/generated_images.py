"""Images that are drawn, between messages and the task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from panope.v1 import image_service_pb2 as pb
from panope_server.tasks.vision.image_generation import (
    GeneratedFormat,
    ImageGenerationInput,
    ImageGenerationOutput,
)
from panope_server.transport.grpc.fields import known
from panope_server.transport.grpc.images import image_of

_FORMATS: Mapping[int, GeneratedFormat] = {
    pb.IMAGE_FORMAT_UNSPECIFIED: "png",
    pb.IMAGE_FORMAT_PNG: "png",
    pb.IMAGE_FORMAT_JPEG: "jpeg",
    pb.IMAGE_FORMAT_WEBP: "webp",
}

#: Names of the request by those of the input.
NAMES = {"output_format": "format"}


def input_of(request: pb.GenerateImagesRequest) -> ImageGenerationInput:
    """What a request asks for.

    Raises:
        InvalidInputError: a value of an enum that nobody knows, or a URI that does not hold its image.
    """
    optional: dict[str, Any] = {
        name: getattr(request, name) if request.HasField(name) else None
        for name in ("negative_prompt", "guidance_scale", "strength", "seed")
    }
    return ImageGenerationInput(
        request.prompt,
        width=request.width,
        height=request.height,
        steps=request.steps,
        count=request.count if request.HasField("count") else 1,
        output_format=known(_FORMATS, request.format, "format"),
        quality=request.quality,
        image=image_of(request.image, "image") if request.HasField("image") else None,
        mask=image_of(request.mask, "mask") if request.HasField("mask") else None,
        **optional,
    )


def responses_of(model: str, part: ImageGenerationOutput) -> Iterator[pb.GenerateImagesResponse]:
    """What a part of an answer tells."""
    if (told := part.progress) is not None:
        progress = pb.GenerationProgress(index=told.index, step=told.step, steps=told.steps)
        yield pb.GenerateImagesResponse(model=model, progress=progress)
    for each in part.images:
        image = pb.GeneratedImage(
            index=each.index,
            width=each.width,
            height=each.height,
            content=each.content,
            seed=each.seed,
            flagged=each.flagged,
        )
        yield pb.GenerateImagesResponse(model=model, image=image)
