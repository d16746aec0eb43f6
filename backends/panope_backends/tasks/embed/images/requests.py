"""Requests to embed images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from panope.worker.v1 import embed_pb2 as messages
from panope_backends.api import Arrays
from panope_backends.errors import InvalidInputError
from panope_backends.tasks.embed.head import normalize
from panope_backends.tasks.embed.images.pooling import ImagePooling, Vector
from panope_backends.tasks.images import ImagePreparer
from panope_backends.tasks.task import ArrayItem, ArrayJob, Job

TASK = "embed-images"


@dataclass(slots=True)
class EmbedImagesJob(ArrayJob):
    """One request: what to run and what to make of the vectors."""

    items: Sequence[ArrayItem]
    vector: Callable[[Arrays], Vector]
    dimensions: int
    normalize: bool

    def answer(self, rows: Sequence[Arrays]) -> bytes:
        """Pools, keeps the leading values, then scales to length 1."""
        vectors = np.stack([self.vector(row) for row in rows])[:, : self.dimensions]
        if self.normalize:
            vectors = normalize(vectors)
        message = messages.EmbedImagesOutput(
            vectors=vectors.astype("<f4", copy=False).tobytes(), dimensions=self.dimensions
        )
        return message.SerializeToString()


@dataclass(frozen=True)
class ImageRequests:
    """Prepares requests to one model.

    Attributes:
        images: decodes and scales.
        pooling: of the model.
        normalize: whether vectors have length 1 where a request does not say.
        default_dimensions: leading values to keep where a request does not say; None for all.
    """

    images: ImagePreparer
    pooling: ImagePooling
    normalize: bool = False
    default_dimensions: int | None = None

    def embed(self, data: bytes) -> EmbedImagesJob:
        """A job of task `embed-images`.

        Raises:
            InvalidInputError: names the field, the value and the limit.
        """
        message = messages.EmbedImagesInput.FromString(data)
        mode = self.pooling.mode_of(message.image_pooling)
        limit = self.pooling.dimensions[mode]
        dimensions = message.dimensions if message.HasField("dimensions") else self.default_dimensions or limit
        if not 1 <= dimensions <= limit:
            raise InvalidInputError.at(
                "dimensions",
                "{field} is {value:,}; the model has 1 to {limit:,}",
                value=dimensions,
                limit=limit,
            )
        prepared = self.images.prepared(message.images, message.first_index)
        return EmbedImagesJob(
            [each.item for each in prepared],
            lambda row: self.pooling.vector(row, mode),
            dimensions,
            message.normalize if message.HasField("normalize") else self.normalize,
        )


def refuse_images(_: bytes) -> Job:
    """For models that embed texts alone.

    Raises:
        InvalidInputError: always.
    """
    raise InvalidInputError.at("images", "{field}: the model embeds texts, and no images")


def refuse_texts(data: bytes) -> Job:
    """For models that embed images alone.

    Raises:
        InvalidInputError: always.
    """
    name = "token_sequences" if messages.EmbedInput.FromString(data).token_sequences else "texts"
    raise InvalidInputError.at(name, "{field}: the model embeds images, and no texts")
