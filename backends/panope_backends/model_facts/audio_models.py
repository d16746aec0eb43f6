"""What engines and tasks both know of models of waveforms."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from panope_backends.errors import PreconditionError

SPEECHT5 = "speecht5"
"""The type of models whose spectra a vocoder makes waveforms of, and whose voices are vectors."""

VOCODER = "vocoder"
"""The folder of the part of SpeechT5 that makes a waveform of a spectrum."""

SPEAKERS = "speaker_embeddings.safetensors"
"""The file beside SpeechT5 that holds a vector for each voice, by its name."""


WAVEFORMS = frozenset(
    {"data2vec-audio", "hubert", "sew", "sew-d", "unispeech", "unispeech-sat", "wav2vec2", "wav2vec2-conformer"}
    | {"wavlm"}
)
"""Types of transformers' that read waveforms; others that hear read spectra."""

MASK = "attention_mask"
"""The input that says which frames are of audio, not of what it is padded with."""


@dataclass(frozen=True)
class AudioInput:
    """What a model that classifies audio reads.

    Attributes:
        name: of its input.
        axes: of that, the batch's included; 2 for waveforms.
        time_axis: of spectra.
        is_window: whether it reads a window of fixed length, the rest of which is padded.
        has_mask: whether it reads `MASK` beside.
    """

    name: str
    axes: int
    time_axis: int = 1
    is_window: bool = False
    has_mask: bool = False

    @property
    def is_waveform(self) -> bool:
        """Whether it reads samples."""
        return self.axes == 2


_CLASSIFIERS = {
    **dict.fromkeys(WAVEFORMS, AudioInput("input_values", 2)),
    "audio-spectrogram-transformer": AudioInput("input_values", 3, is_window=True),
    "whisper": AudioInput("input_features", 3, time_axis=2, is_window=True),
    "wav2vec2-bert": AudioInput("input_features", 3, has_mask=True),
}
_CLASSIFYING_HEADS = ("ForAudioClassification", "ForSequenceClassification")


def classifies_audio(config: Mapping[str, Any]) -> bool:
    """Whether a model that classifies does it with audio, told from config.json."""
    named = config.get("architectures")
    architecture = str(named[0]) if isinstance(named, list) and named else ""
    return config.get("model_type") in _CLASSIFIERS and architecture.endswith(_CLASSIFYING_HEADS)


def audio_input(config: Mapping[str, Any]) -> AudioInput:
    """What such a model reads."""
    return _CLASSIFIERS[str(config.get("model_type"))]


@dataclass(frozen=True)
class FrameGrid:
    """How samples become frames.

    Attributes:
        step: samples from one frame to the next.
        least: samples of the shortest audio that has a frame.
    """

    step: int
    least: int


def frame_grid(config: Any) -> FrameGrid:
    """The frames of the convolutions that read samples.

    Args:
        config: of a model, as transformers has it.

    Raises:
        PreconditionError: it describes no such convolutions.
    """
    kernels, strides = (getattr(config, name, None) or () for name in ("conv_kernel", "conv_stride"))
    if not strides or len(kernels) != len(strides) or not all(size > 0 for size in (*kernels, *strides)):
        raise PreconditionError(
            "config.json describes no convolutions over samples (`conv_kernel`, `conv_stride`)",
            reason="unsupported_model",
        )
    least = max(1, getattr(config, "squeeze_factor", 1))  # SEW's frames are joined before they are told apart again
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        least = (least - 1) * stride + kernel
    return FrameGrid(math.prod(strides), least)


def least_samples(config: Any) -> int:
    """Of the shortest audio that has a frame; raises as `frame_grid`."""
    return frame_grid(config).least
