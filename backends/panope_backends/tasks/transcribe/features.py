"""Audio as a model of speech reads it: features by the extractors of transformers, window by window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope_backends.api import FeatureSpec
from panope_backends.errors import PreconditionError
from panope_backends.media.audio import Samples
from panope_backends.media.processors import import_transformers

_FILES = ("preprocessor_config.json", "processor_config.json")

#: Of audio that is cut for a model of waveforms, which was trained on shorter ones.
_WINDOW_SECONDS = 30.0
#: In which the quietest place of such a window is looked for, at its end.
_CUT_SECONDS = 5.0
_FRAME_SECONDS = 0.02


class FeatureReader:
    """Makes features of audio.

    Args:
        folder: of the model.
        spec: what its encoder reads.

    Raises:
        PreconditionError: the files describe no extractor, or one that makes something else.
    """

    def __init__(self, folder: Path, spec: FeatureSpec) -> None:
        if not any((folder / name).is_file() for name in _FILES):
            raise PreconditionError(f"the model has no file `{_FILES[0]}`", reason="missing_file")
        try:
            self._extract: Any = import_transformers().AutoFeatureExtractor.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
            self.rate = int(self._extract.sampling_rate)
            self.is_spectrum = len(spec.shape) > 1
            self._frames = spec.shape[-1]
            self._hop = int(self._extract.hop_length) if self.is_spectrum else 1
        except PreconditionError:
            raise
        except Exception as error:  # files are checked by errors of no family
            raise PreconditionError(
                f"`{_FILES[0]}` describes no extractor of features", reason="load_failed"
            ) from error
        self.window_seconds = self._frames * self._hop / self.rate if self.is_spectrum else _WINDOW_SECONDS

    def read(self, samples: Samples) -> AudioFeatures:
        """The features of a whole file."""
        if not self.is_spectrum:
            return AudioFeatures(self.waveform(samples), 1 / self.rate, 0)
        is_short = samples.size <= self._frames * self._hop
        made = self._extract(
            samples,
            sampling_rate=self.rate,
            return_tensors="np",
            padding="max_length" if is_short else "longest",
            truncation=is_short,
            return_attention_mask=True,
        )
        features = np.asarray(made["input_features"][0], np.float32)
        return AudioFeatures(features, self._hop / self.rate, self._frames, int(made["attention_mask"][0].sum()))

    def waveform(self, samples: Samples) -> NDArray[np.float32]:
        """Samples as a model of waveforms reads them, such as normalised ones.

        Raises:
            PreconditionError: the extractor makes spectra.
        """
        made = self._extract(samples, sampling_rate=self.rate, return_tensors="np")
        if "input_values" not in made:
            raise PreconditionError(f"the extractor of `{_FILES[0]}` makes no waveforms", reason="unsupported_model")
        return np.asarray(made["input_values"][0], np.float32)


class AudioFeatures:
    """The features of audio, along time.

    Args:
        features: the last axis is time.
        step_seconds: of one step along it.
        window: steps that a model reads at once, padded with zeros; 0 for as many as there are.
        heard: steps that are of audio, not of what it is padded with; 0 for all.
    """

    def __init__(self, features: NDArray[np.float32], step_seconds: float, window: int, heard: int = 0) -> None:
        self._features = features
        self._step = step_seconds
        self._window = window
        self._heard = heard or features.shape[-1]

    def heard_from(self, begin_seconds: float) -> int:
        """How many steps from one moment on are of audio, in this window and those behind it."""
        return max(0, self._heard - round(begin_seconds / self._step))

    def window(self, begin_seconds: float, seconds: float) -> NDArray[np.float32]:
        """The features from one moment on."""
        begin = round(begin_seconds / self._step)
        if not self._window:
            return self._features[begin : begin + round(seconds / self._step)]
        piece = self._features[..., begin : begin + self._window]
        missing = self._window - piece.shape[-1]
        return np.pad(piece, [(0, 0)] * (piece.ndim - 1) + [(0, missing)]) if missing else piece

    def quiet_end(self, begin_seconds: float, seconds: float) -> float:
        """Where a window of waveform ends best: at the quietest place near its end; seconds from its start."""
        if (begin_seconds + seconds) / self._step >= self._features.size:
            return self._features.size * self._step - begin_seconds
        frame = round(_FRAME_SECONDS / self._step)
        tail = self.window(begin_seconds + seconds - _CUT_SECONDS, _CUT_SECONDS)
        energies = np.square(tail[: tail.size // frame * frame].reshape(-1, frame)).sum(axis=1)
        return seconds - _CUT_SECONDS + (int(energies.argmin()) + 0.5) * _FRAME_SECONDS
