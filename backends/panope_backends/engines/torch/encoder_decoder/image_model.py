"""The step model of what writes of images, such as captions: an image is a source, seen once by its vision tower."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from panope_backends.api import FeatureSpec, SourceSpec
from panope_backends.api.step_models.step_batch import Integers
from panope_backends.engines.torch.decoder.loading import LOGITS_TOLERANCE
from panope_backends.engines.torch.devices.torch_device import HOST, TorchDevice
from panope_backends.engines.torch.encoder_decoder.image_writers import ImageWriter, writer_of
from panope_backends.engines.torch.encoder_decoder.rerun_sources import USUAL_IDS, RerunningWithSources
from panope_backends.errors import PreconditionError
from panope_backends.model_facts.image_models import image_places, reads_whole_prompts

Array = np.ndarray[Any, Any]

#: Tokens that are run with the image itself, before its tower is kept apart.
_TRIED = 4


class TorchImageWriter(RerunningWithSources):
    """A module of transformers that runs the text of an image from its beginning at each step.

    Args:
        module: loaded with an attention of transformers'.
        precision: of its weights.
        max_length: of a text, the question included.
        shape: of an image: channels, height and width.
        reads_questions: whether it answers questions by an encoder of its own for these.
        device: where its weights lie.

    Raises:
        PreconditionError: what it says of a text changes with what comes after it, or is not what the module says that
            is given the image each time.
    """

    def __init__(
        self,
        module: Any,
        precision: str,
        max_length: int,
        shape: tuple[int, int, int],
        *,
        reads_questions: bool = False,
        device: TorchDevice = HOST,
    ) -> None:
        super().__init__(module, precision, max_length, device)
        pixels = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        whole = reads_questions or reads_whole_prompts(module.config.to_dict())
        expected = None if whole else self._whole(pixels)
        self._writer: ImageWriter = writer_of(module, reads_questions=reads_questions)
        any_source = self._encoded(pixels)
        text = np.array([*self._writer.prompt, *self._tokens()])
        if expected is None:
            expected = self._of_writer(pixels, text)
        tried = self._run(any_source, text)
        self.vocab_size = int(tried.shape[-1])
        _, states, width = any_source.last_hidden_state.shape
        self.source = SourceSpec(int(states), int(width) * module.dtype.itemsize, FeatureSpec(shape))
        if expected is not None and not _are_alike(tried[-_TRIED:], expected, precision):
            raise PreconditionError(
                "the model says something else of an image that it saw before", reason="unsupported_model"
            )
        self._try(any_source, self._writer.prompt)

    def encode(self, source: int, tokens: Integers) -> None:
        """Refuses tokens, as of every model that reads features.

        Raises:
            NotImplementedError: always; `encode_features` reads an image.
        """
        del source, tokens
        raise NotImplementedError

    def encode_features(self, source: int, features: Array) -> None:
        """Runs the vision tower."""
        self.check_features(source, features)
        self._read(source, features)

    def _encoded(self, given: Array) -> Any:
        with torch.inference_mode():
            return self._writer.see(self._pixels(given))

    def _run(self, source: Any, tokens: Array) -> Array:
        with torch.inference_mode():
            return self._device.array(self._writer.logits(source, self._device.tensor(tokens)))

    def _pixels(self, given: Array) -> Any:
        return self._device.put(torch.from_numpy(np.ascontiguousarray(given))[None]).to(self._module.dtype)

    def _of_writer(self, pixels: Array, text: Array) -> Array | None:
        """As `_whole`, where the writer knows how the module takes image and text at once."""
        with torch.inference_mode():
            made = self._writer.whole(self._pixels(pixels), self._device.tensor(text))
        return None if made is None else self._device.array(made[-_TRIED:])

    def _whole(self, pixels: Array) -> Array:
        """What the module says as it is, of a text behind the places of an image."""
        text = "decoder_input_ids" if hasattr(self._module.config, "decoder") else "input_ids"
        places = image_places(self._module.config.to_dict())
        ids = self._device.tensor(np.array([*places, *self._tokens()]))[None]
        with torch.inference_mode():
            made = self._module(pixel_values=self._pixels(pixels), **{text: ids}, use_cache=False)
            return self._device.array(made.logits[0, -_TRIED:])

    @staticmethod
    def _tokens() -> Array:
        return np.arange(USUAL_IDS, USUAL_IDS + _TRIED)


def _are_alike(found: Array, expected: Array, precision: str) -> bool:
    return bool(np.abs(found - expected).max() <= LOGITS_TOLERANCE[precision] * np.abs(expected).max())
