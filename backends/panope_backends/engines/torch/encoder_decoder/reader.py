"""What an encoder reads: tokens of a text, features of audio, or an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from panope_backends.api import FeatureSpec
from panope_backends.engines.torch.encoder_decoder.facts import (
    FRAMES_A_SECOND,
    SOUND_SECONDS,
    bands_of,
    image_shape,
    reads_images,
    source_length,
    text_length,
)
from panope_backends.model_facts.image_models import image_states

_SPECTRUM, _WAVEFORM = "input_features", "input_values"

_SAMPLE_RATE = 16_000
"""Of the audio that models of waveforms read."""


@dataclass(frozen=True)
class Reader:
    """How the encoder of a model is called.

    Attributes:
        keyword: of the module, for a source.
        max_length: tokens, or states, of a source at most.
        features: in the place of tokens; None for tokens.
    """

    keyword: str
    max_length: int
    features: FeatureSpec | None = None

    def tensor(self, source: Any) -> Any:
        """A source as the module takes it, `[1, …]`."""
        if self.features is None:
            return torch.from_numpy(np.array(source, np.int64))[None]
        return torch.from_numpy(np.ascontiguousarray(source, np.float32))[None]

    def run(self, module: Any, source: Any) -> Any:
        """What the encoder makes of a source, `[1, states, width]`; features are brought to the weights' precision."""
        tensor = source if self.features is None else source.to(module.dtype)
        return module.get_encoder()(**{self.keyword: tensor}).last_hidden_state

    def sample(self, number: int, length: int, usable: Any) -> Any:
        """A seeded source to try: so many tokens, or features of as many tenths of a second where any length goes."""
        random = np.random.default_rng(number)
        if self.features is None:
            return random.choice(usable, length).tolist()
        rate = _SAMPLE_RATE if len(self.features.shape) == 1 else FRAMES_A_SECOND
        shape = [length * rate // 10 if size < 0 else size for size in self.features.shape]
        return random.standard_normal(shape).astype(np.float32)


def reader_of(module: Any) -> Reader:
    """How the encoder of a model of transformers reads."""
    config, keyword = module.config, str(module.main_input_name)
    if reads_images(config):
        return Reader("pixel_values", image_states(config.encoder.to_dict()), FeatureSpec(image_shape(config)))
    if keyword not in (_SPECTRUM, _WAVEFORM):
        return Reader("input_ids", text_length(config))
    states = source_length(config)
    if keyword == _WAVEFORM:
        return Reader(keyword, states, FeatureSpec((-1,), SOUND_SECONDS * _SAMPLE_RATE))
    if bands := bands_of(config):
        return Reader(keyword, states, FeatureSpec((-1, bands), SOUND_SECONDS * FRAMES_A_SECOND))
    # Two convolutions, the second of every other frame: whoever builds it otherwise fails its trial.
    return Reader(keyword, states, FeatureSpec((int(config.num_mel_bins), 2 * states)))
