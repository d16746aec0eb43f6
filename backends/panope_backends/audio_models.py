"""What engines and tasks both know of models of waveforms."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from panope_backends.errors import PreconditionError

SPEECHT5 = "speecht5"
"""The type of models whose spectra a vocoder makes waveforms of, and whose voices are vectors."""

VOCODER = "vocoder"
"""The folder of the part of SpeechT5 that makes a waveform of a spectrum."""

SPEAKERS = "speaker_embeddings.safetensors"
"""The file beside SpeechT5 that holds a vector for each voice, by its name."""


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
