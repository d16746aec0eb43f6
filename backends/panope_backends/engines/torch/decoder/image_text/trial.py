"""Compares steps over a prompt with an image with transformers' own way, so that no image is answered wrong."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch

from panope_backends.api import CacheSpec, PromptImage, StepBatch, StepSequence
from panope_backends.api.step_models.step_batch import Integers
from panope_backends.engines.torch.decoder.attention import ATTENTION
from panope_backends.engines.torch.decoder.image_text.vision_tower import tensors_of
from panope_backends.engines.torch.decoder.loading import LOGITS_TOLERANCE
from panope_backends.engines.torch.devices.torch_device import HOST, TorchDevice
from panope_backends.errors import PanopeError, PreconditionError

Array = np.ndarray[Any, Any]

#: Of the decoder alone: a vision tower looks at all of its image, by a function of transformers'.
DECODER_ATTENTION = {"text_config": ATTENTION}

#: What types call the kinds of tokens: 1 for those of images.
_TYPES = ("mm_token_type_ids", "token_type_ids")


class _Steps(Protocol):
    """What is compared."""

    precision: str
    cache: CacheSpec

    def allocate(self, blocks: int) -> None: ...
    def open_prompt(self, number: int, tokens: Integers, images: Sequence[PromptImage]) -> None: ...
    def read_image(self, number: int, index: int) -> None: ...
    def forward(self, batch: StepBatch) -> Array: ...
    def forget(self) -> None: ...


def expected_logits(module: Any, tokens: Integers, images: Sequence[PromptImage], device: TorchDevice = HOST) -> Array:
    """What transformers says of a prompt, `[tokens, vocabulary]`.

    Raises:
        PreconditionError: it does not take the prompt.
    """
    ids = device.tensor(np.asarray(tokens, np.int64))[None]
    kinds_of_tokens = np.zeros((1, len(tokens)), np.int64)
    for image in images:
        kinds_of_tokens[0, np.asarray(image.places, np.int64)] = 1
    types = device.tensor(kinds_of_tokens)
    takes = inspect.signature(module.forward).parameters
    kinds = {name: types for name in _TYPES if name in takes}
    module.set_attn_implementation({"text_config": "eager"})
    try:
        with torch.inference_mode():
            made = module(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                use_cache=False,
                **kinds,
                **tensors_of(images, device),
            )
        logits = device.array(made.logits[0])
    except (AttributeError, IndexError, KeyError, TypeError, RuntimeError, ValueError) as error:
        raise _unsupported("transformers does not take its images") from error
    finally:
        module.set_attn_implementation(DECODER_ATTENTION)
    return logits


def compare(model: _Steps, tokens: Integers, images: Sequence[PromptImage], expected: Array) -> None:
    """Runs a prompt in parts that end within its first image, and before its last token.

    Raises:
        PreconditionError: they differ.
    """
    count = len(tokens)
    middle = int(images[0].places[len(images[0].places) // 2])
    ends = sorted({end for end in (middle, count - 1, count) if end > 0})
    try:
        model.allocate(-(-count // model.cache.block_size))
        model.open_prompt(0, tokens, images)
        for index in range(len(images)):
            model.read_image(0, index)
        for begin, end in zip([0, *ends], ends, strict=False):
            blocks = range(-(-end // model.cache.block_size))
            part = StepSequence(tokens[begin:end], begin, blocks, image_prompt=0)
            found, right = model.forward(StepBatch.of([part]))[0], expected[end - 1]
            if not np.abs(found - right).max() <= LOGITS_TOLERANCE[model.precision] * np.abs(right).max():
                raise _unsupported("its steps differ from what transformers computes of the same prompt")
    except (AttributeError, IndexError, KeyError, TypeError, RuntimeError, ValueError) as error:
        # A type that is built otherwise than what this package takes over.
        if isinstance(error, PanopeError):
            raise
        raise _unsupported("the model's type does not read them apart from its decoder") from error
    finally:
        model.forget()


def _unsupported(why: str) -> PreconditionError:
    return PreconditionError(f"images of this model are not read: {why}", reason="unsupported_model")
