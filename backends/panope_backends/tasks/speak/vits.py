"""Models of transformers' VITS as voices: they speak characters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope_backends.api import Arrays
from panope_backends.errors import InternalError, PreconditionError
from panope_backends.media.audio import Samples
from panope_backends.tasks.json_files import read_json
from panope_backends.tasks.speak.characters import CharacterReader
from panope_backends.tasks.speak.voice import DEFAULT_VOICE, Voice
from panope_backends.tasks.task import ModelSource

_WAVEFORM = "waveform"


class VitsVoice(Voice):
    """A model of characters.

    Args:
        source: of the model.

    Raises:
        PreconditionError: its files describe none that is spoken here.
    """

    def __init__(self, source: ModelSource) -> None:
        config = read_json(source.folder / "config.json")
        rate = config.get("sampling_rate", 16_000)  # the default of VitsConfig
        if type(rate) is not int or not 1_000 <= rate <= 192_000:
            raise PreconditionError("config.json has a `sampling_rate` that is none", reason="unsupported_model")
        self.rate, self.names = rate, voices_of(config)
        self.model = source.load(config)
        try:
            self._reader = CharacterReader(source.folder)  # behind the engine, from which PyTorch would be hidden else
        except BaseException:
            self.model.close()
            raise

    def tokens(self, sentence: str, *, is_ipa: bool) -> NDArray[np.int64]:
        """By transformers' tokenizer."""
        assert not is_ipa
        return self._reader.tokens(sentence)

    def trial_tokens(self) -> NDArray[np.int64]:
        """A character."""
        return self._reader.tokens(self._reader.trial_text())

    def speak(self, tokens: NDArray[np.int64], voice: int, speed: float, seed: int) -> Samples:
        """Runs the model."""
        arrays: Arrays = {
            "input_ids": tokens,
            "speaker": np.array([voice], np.int64),
            "speed": np.array([speed], np.float32),
            "seed": np.array([seed], np.int64),
        }
        samples: Samples = self.model.run(arrays)[_WAVEFORM][0]
        if not np.isfinite(samples).all():
            raise InternalError("the model gave values that are no numbers")
        return samples


def voices_of(config: Mapping[str, Any]) -> list[str]:
    """The names of a model's voices: numbers, where it has several."""
    count = config.get("num_speakers", 1)
    return [str(index) for index in range(count)] if type(count) is int and 1 < count <= 10_000 else [DEFAULT_VOICE]
