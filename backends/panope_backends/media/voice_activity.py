"""Which parts of audio are speech, by Silero's detector, whose weights the package `silero-vad` carries.

The package itself is never imported, for it imports PyTorch: its graph, which reads many frames at once, runs in ONNX
Runtime, on one thread. That file is opened only with the hash that is known here
([0153](../../../docs/decisions/0153-silence-is-left-out-before-speech-is-transcribed.md)).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope_backends.errors import DataLossError, PreconditionError
from panope_backends.media.audio import Samples

RATE = 16_000
"""Samples in a second that the detector reads."""

FRAME = 512
"""Samples of which it tells one probability."""

_FILE = "data/silero_vad_16k_sequence.onnx"
_SHA256 = "9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85"

#: Samples of the frame before that stand before each frame.
_CONTEXT = 64
#: Frames of a run: a quarter of a minute.
_RUN = 512
_STATE = (1, 1, 128)

#: Speech ends where the probability falls so far below the one that it starts with.
_HYSTERESIS = 0.15
_LEAST_THRESHOLD = 0.01


@dataclass(frozen=True, slots=True)
class VadOptions:
    """What counts as speech.

    Attributes:
        threshold: the probability from which a frame is speech.
        min_silence_seconds: shorter silence does not part speech.
        padding_seconds: kept before and after speech.
        min_speech_seconds: shorter speech is none.
    """

    threshold: float
    min_silence_seconds: float
    padding_seconds: float
    min_speech_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Speech:
    """A part of audio that is speech, in samples; it is at least one long.

    Attributes:
        start: of the speech.
        end: behind its last sample.
    """

    start: int
    end: int


class VoiceDetector:
    """Silero's detector, which keeps nothing between calls.

    Raises:
        PreconditionError: its packages are not installed.
        DataLossError: the graph is not the one that is known.
    """

    def __init__(self) -> None:
        data = _graph()
        if hashlib.sha256(data).hexdigest() != _SHA256:
            raise DataLossError(
                "the package `silero-vad` has another detector than the one that is known here; 6.2.3 has it",
                reason="hash_mismatch",
            )
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session: Any = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])

    def probabilities(self, samples: Samples) -> NDArray[np.float32]:
        """How likely each frame is speech.

        Args:
            samples: at `RATE`.
        """
        count = -(-samples.size // FRAME)
        padded = np.zeros(_CONTEXT + count * FRAME, np.float32)
        padded[_CONTEXT : _CONTEXT + samples.size] = samples
        frames = np.lib.stride_tricks.sliding_window_view(padded, _CONTEXT + FRAME)[::FRAME]
        hidden = cell = np.zeros(_STATE, np.float32)
        found = np.empty(count, np.float32)
        for begin in range(0, count, _RUN):
            run = {"input": np.ascontiguousarray(frames[begin : begin + _RUN]), "h": hidden, "c": cell}
            found[begin : begin + _RUN], hidden, cell = self._session.run(["speech_probs", "hn", "cn"], run)
        return found

    def speech(self, samples: Samples, options: VadOptions) -> list[Speech]:
        """The parts that are speech, in their order.

        Args:
            samples: at `RATE`.
            options: what counts.
        """
        least = options.min_speech_seconds * RATE
        found = parts_of(self.probabilities(samples), samples.size, options)
        return [each for each in found if each.end - each.start >= least]


@cache
def voice_detector() -> VoiceDetector:
    """The one of this process.

    Raises:
        PreconditionError: as `VoiceDetector`.
    """
    return VoiceDetector()


def has_voice_detector() -> bool:
    """Whether its packages are installed."""
    return find_spec("onnxruntime") is not None and find_spec("silero_vad") is not None


def _graph() -> bytes:
    found = find_spec("silero_vad")
    if found is None or found.origin is None or not has_voice_detector():
        raise PreconditionError(
            "the detector of speech is not installed: pip install 'panope-serving[vad]'", reason="not_installed"
        )
    try:
        return (Path(found.origin).parent / _FILE).read_bytes()
    except OSError as error:
        raise PreconditionError("the package `silero-vad` has no detector", reason="not_installed") from error


def parts_of(probabilities: NDArray[np.float32], size: int, options: VadOptions) -> list[Speech]:
    """As silero-vad has it (`get_speech_timestamps`), without padding, bounds on lengths and the silence at the end."""
    least = max(options.threshold - _HYSTERESIS, _LEAST_THRESHOLD)
    min_silence = options.min_silence_seconds * RATE
    found: list[Speech] = []
    start: int | None = None
    silent_since: int | None = None
    for frame, probability in enumerate(probabilities.tolist()):
        place = frame * FRAME
        if probability >= options.threshold:
            silent_since = None
            start = place if start is None else start
        elif start is not None and (probability < least or silent_since is not None):
            silent_since = place if silent_since is None else silent_since
            if probability < least and place - silent_since >= min_silence:
                found.append(Speech(start, silent_since))
                start = silent_since = None
    if start is not None:
        found.append(Speech(start, size if silent_since is None else min(size, silent_since)))
    return found


def padded(found: Sequence[Speech], size: int, options: VadOptions) -> list[Speech]:
    """With the padding, which never overlaps.

    Args:
        found: the parts that are speech.
        size: of the audio, in samples.
        options: how much is kept.
    """
    padding = round(options.padding_seconds * RATE)
    made: list[Speech] = []
    for part in found:
        start, end = max(0, part.start - padding), min(size, part.end + padding)
        if made and start <= made[-1].end:
            start = made.pop().start
        made.append(Speech(start, end))
    return made
