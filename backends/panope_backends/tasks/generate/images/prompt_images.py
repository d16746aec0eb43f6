"""Prompts with images: from files to prepared images, and from a rendered conversation to tokens with their places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from panope.worker.v1 import media_pb2 as messages
from panope_backends.api import PromptImage
from panope_backends.errors import InvalidInputError
from panope_backends.media.limits import MediaLimits
from panope_backends.media.processors import trial_image
from panope_backends.tasks.generate.images.processor import PreparedImage, PromptImageProcessor
from panope_backends.tasks.images import read_image

#: The reason by which OpenAI's clients know a prompt that is too long.
_TOO_LONG = "context_length_exceeded"


class Encoder(Protocol):
    """A model's tokenizer."""

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """The ids of a text."""


@dataclass(frozen=True)
class PromptImages:
    """What makes prompts with images for one model.

    Attributes:
        processor: of the model.
        encoder: of the model.
        limits: that images must keep.
        bos_token: the text that a template begins with where it writes special tokens around the prompt itself.
        max_positions: tokens of prompt and answer together.
    """

    processor: PromptImageProcessor
    encoder: Encoder
    limits: MediaLimits
    bos_token: str
    max_positions: int

    @property
    def placeholder(self) -> str:
        """What a rendered conversation has for each image."""
        return self.processor.placeholder

    def prepared(self, files: Sequence[messages.Image], paths: Sequence[str]) -> list[PreparedImage]:
        """Decodes images, one after another, and has the processor prepare each.

        Raises:
            InvalidInputError: one cannot be read; the field is its path.
        """
        made, places = [], 0
        for file, path in zip(files, paths, strict=True):
            image = self.processor.prepare(read_image(file, path, self.limits), path)
            places += image.text.count(self.placeholder)
            if places >= self.max_positions:
                raise self._too_long(path, places)
            made.append(image)
        return made

    def tokens(self, text: str, images: Sequence[PreparedImage]) -> tuple[tuple[int, ...], tuple[PromptImage, ...]]:
        """The tokens of a rendered conversation, and its images with their places.

        Args:
            text: with one placeholder for each image.
            images: in the order of their placeholders.

        Raises:
            InvalidInputError: there are more or fewer placeholders.
        """
        pieces = text.split(self.placeholder)
        if len(pieces) - 1 != len(images):
            raise InvalidInputError.at(
                "messages",
                "{field} have {count} images, and the model's chat template writes {found} of them",
                count=len(images),
                found=len(pieces) - 1,
            )
        whole = pieces[0] + "".join(image.text + piece for image, piece in zip(images, pieces[1:], strict=True))
        adds = not (self.bos_token and text.startswith(self.bos_token))  # as transformers' processors do it
        ids = self.encoder.encode(whole, add_special_tokens=adds)
        return tuple(ids), self._placed(ids, images)

    def trial(self) -> tuple[tuple[int, ...], tuple[PromptImage, ...]]:
        """A short prompt with one image, to try a model with."""
        image = self.processor.prepare(trial_image(), "image")
        return self.tokens(f"a {self.placeholder} b c", [image])

    def _placed(self, ids: Sequence[int], images: Sequence[PreparedImage]) -> tuple[PromptImage, ...]:
        places = np.flatnonzero(np.array(ids) == self.processor.image_token_id)
        counts = [image.text.count(self.placeholder) for image in images]
        if sum(counts) != len(places) or 0 in counts:
            raise InvalidInputError.at("messages", "{field} have an image that has no place in the model's prompts")
        parts = np.split(places, np.cumsum(counts)[:-1]) if images else []
        return tuple(PromptImage(part, image.inputs, image.digest) for part, image in zip(parts, images, strict=True))

    def _too_long(self, path: str, places: int) -> InvalidInputError:
        return InvalidInputError.at(
            path,
            "{field}: the images up to it take {count:,} tokens; the model's context is {limit:,} tokens",
            reason=_TOO_LONG,
            count=places,
            limit=self.max_positions,
        )


def require_as_many(files: Sequence[messages.Image], paths: Sequence[str]) -> None:
    """Refuses parts of messages without a file, and files without a part.

    Raises:
        InvalidInputError: the field `messages`.
    """
    if len(files) != len(paths):
        raise InvalidInputError.at(
            "messages",
            "{field} have {parts} parts that are images, and {files} files",
            parts=len(paths),
            files=len(files),
        )
