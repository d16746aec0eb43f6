"""What speaks: a loaded model, its voices, and what it makes a waveform of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from panope_backends.api import TensorModel
from panope_backends.media.audio import Samples

DEFAULT_VOICE = "default"
"""The name of a model's only voice."""


class Voice(ABC):
    """A model that speaks one sentence a run.

    Attributes:
        model: that is run.
        rate: of its samples, in a second.
        names: of its voices, at least one.
        takes_phonemes: whether `input_format` may be `ipa`.
        signs: some phonemes that it speaks; none where it speaks characters.
        takes_seeds: whether the noise that it draws has a seed.
        takes_speed: whether it speaks faster and slower.
    """

    model: TensorModel
    rate: int
    names: Sequence[str]
    takes_phonemes: bool = False
    signs: str = ""
    takes_seeds: bool = True
    takes_speed: bool = True

    @abstractmethod
    def tokens(self, sentence: str, *, is_ipa: bool) -> NDArray[np.int64]:
        """Of one sentence, 1 × tokens; none where the model speaks nothing of it.

        Raises:
            InvalidInputError: it has signs that the model does not know, or texts are not spoken.
        """

    @abstractmethod
    def trial_tokens(self) -> NDArray[np.int64]:
        """Something short that the model speaks."""

    @abstractmethod
    def speak(self, tokens: NDArray[np.int64], voice: int, speed: float, seed: int) -> Samples:
        """The waveform of one sentence.

        Args:
            tokens: as `tokens` gives them.
            voice: its place among `names`.
            speed: 1 for as the model was trained.
            seed: of the noise.

        Raises:
            InternalError: the model's answer is no waveform.
        """
