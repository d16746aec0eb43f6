"""Task `embed-images`: images to vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from panope.worker.v1 import embed_pb2 as messages
from panope_server.config import Limits
from panope_server.tasks import agreement
from panope_server.tasks.embed import EmbedOutput, EmbedSpec
from panope_server.tasks.task import MeasuredModel, Usage, Workload
from panope_server.tasks.validation import check_positive, check_word
from panope_server.tasks.vision.image_workloads import images_workloads
from panope_server.tasks.vision.images import image_messages
from panope_server.tasks.vision.images_task import ImagesInput, ImagesOutput, ImagesTask

Pooling = Literal["", "pooler", "cls", "patch_mean"]

POOLINGS: Sequence[Pooling] = ("pooler", "cls", "patch_mean")

_FLOAT_BYTES = 4


@dataclass(slots=True)
class EmbedImagesInput(ImagesInput):
    """Images to embed.

    Attributes:
        normalize: whether vectors have length 1; None for no.
        dimensions: how many leading values to keep; None for all.
        image_pooling: how what the model gives becomes one vector; empty for the model's default.
    """

    normalize: bool | None = None
    dimensions: int | None = None
    image_pooling: Pooling = ""


@dataclass(slots=True)
class EmbedImagesOutput(ImagesOutput):
    """The vector of each image: little-endian 32-bit floats."""

    images: list[bytes]

    @property
    def dimensions(self) -> int:
        """The values in each."""
        return len(self.images[0]) // _FLOAT_BYTES if self.images else 0

    def as_embedded(self) -> EmbedOutput:
        """As what texts become; images have no tokens."""
        return EmbedOutput(b"".join(self.images), len(self.images), self.dimensions, [], [])


def _takes_images(model: MeasuredModel) -> bool:
    return isinstance(model.facts, EmbedSpec) and "images" in model.facts.inputs


class EmbedImagesTask(ImagesTask[EmbedImagesInput, EmbedImagesOutput]):
    """Images to vectors."""

    name = "embed-images"
    input_type = EmbedImagesInput
    output_type = EmbedImagesOutput
    output_unit = "bytes"
    models_of = "embed"
    workloads: ClassVar[Sequence[Workload]] = images_workloads("embed", EmbedImagesInput, is_for=_takes_images)
    least_agreement = 0.99

    def encode(self, task_input: EmbedImagesInput) -> bytes:
        """Fields that are None are left to the model's files."""
        message = messages.EmbedImagesInput(
            images=image_messages(task_input.images),
            normalize=task_input.normalize,
            dimensions=task_input.dimensions,
            image_pooling=task_input.image_pooling,
            first_index=task_input.first_index,
        )
        return message.SerializeToString()

    def decode(self, data: bytes) -> EmbedImagesOutput:
        """The vectors, one by one."""
        message = messages.EmbedImagesOutput.FromString(data)
        size, vectors = message.dimensions * _FLOAT_BYTES, message.vectors
        return EmbedImagesOutput([vectors[start : start + size] for start in range(0, len(vectors), size)])

    def validate(self, task_input: EmbedImagesInput, limits: Limits) -> None:
        """Checks every field; what images hold, the worker sees."""
        super().validate(task_input, limits)
        check_positive(task_input.dimensions, "dimensions")  # how many a model has is known in its worker
        if task_input.image_pooling:
            check_word(task_input.image_pooling, "image_pooling", POOLINGS)

    def agreement(self, expected: EmbedImagesOutput, found: EmbedImagesOutput) -> float:
        """The mean cosine of the vectors."""
        return agreement.of_each(
            lambda one, other: agreement.of_vectors(np.frombuffer(one, "<f4"), np.frombuffer(other, "<f4")),
            expected.images,
            found.images,
        )

    def usage(self, output: EmbedImagesOutput) -> Usage:
        """Images, and bytes of the vectors."""
        return Usage(len(output.images), sum(map(len, output.images)))
