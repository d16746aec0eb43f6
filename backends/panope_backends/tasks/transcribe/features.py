"""Audio as a model of speech reads it: features by the extractors of transformers, window by window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope_backends.api import FeatureSpec
from panope_backends.errors import PreconditionError
from panope_backends.media.audio import Samples
from panope_backends.media.processors import import_transformers

_FILES = ("preprocessor_config.json", "processor_config.json")

#: Of audio that is cut for a model which reads as much as comes, and was trained on shorter ones.
_WINDOW_SECONDS = 30.0
#: In which the quietest place of such a window is looked for, at its end.
_CUT_SECONDS = 5.0
_FRAME_SECONDS = 0.02

#: Of a spectrum at least: with one frame alone, nothing is left where what all frames share is taken away.
_LEAST_SECONDS = 0.1
_HOP_SECONDS = 0.01

_SPECTRUM = "input_features"


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
            self._has_window = self.is_spectrum and min(spec.shape) > 0
            self._frames = spec.shape[-1]
            self._hop = int(self._extract.hop_length) if self._has_window else 1
        except PreconditionError:
            raise
        except Exception as error:  # files are checked by errors of no family
            raise PreconditionError(
                f"`{_FILES[0]}` describes no extractor of features", reason="load_failed"
            ) from error
        self.window_seconds = self._frames * self._hop / self.rate if self._has_window else _WINDOW_SECONDS

    def read(self, samples: Samples) -> AudioFeatures:
        """The features of a whole file."""
        if not self.is_spectrum:
            return AudioFeatures(self.waveform(samples), 1 / self.rate, 0)
        if not self._has_window:
            return AudioFeatures(samples, 1 / self.rate, 0, made=self._spectrum)
        is_short = samples.size <= self._frames * self._hop
        made = self._extract(
            samples,
            sampling_rate=self.rate,
            return_tensors="np",
            padding="max_length" if is_short else "longest",
            truncation=is_short,
            return_attention_mask=True,
        )
        features = np.asarray(made[_SPECTRUM][0], np.float32)
        return AudioFeatures(features, self._hop / self.rate, self._frames, int(made["attention_mask"][0].sum()))

    def _spectrum(self, samples: Samples) -> NDArray[np.float32]:
        """The frames of a window of samples, as many as there are."""
        samples = np.pad(samples, (0, max(0, round(_LEAST_SECONDS * self.rate) - samples.size)))
        made = self._extracted(samples)
        if not made["attention_mask"][0, -1]:
            # SeamlessM4T's frames are of two, and the last has one alone: what begins it is left out.
            made = self._extracted(samples[: -round(_HOP_SECONDS * self.rate)])
        # Where all frames are alike, as in silence, an extractor that divides by how they vary divides by nothing.
        return np.nan_to_num(np.asarray(made[_SPECTRUM][0], np.float32), nan=0.0, posinf=0.0, neginf=0.0)

    def _extracted(self, samples: Samples) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):
            return self._extract(samples, sampling_rate=self.rate, return_tensors="np")

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
        made: makes what the model reads of a window of `features`, which are samples then; None where they are that.
    """

    def __init__(
        self,
        features: NDArray[np.float32],
        step_seconds: float,
        window: int,
        heard: int = 0,
        made: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None = None,
    ) -> None:
        self._features = features
        self._step = step_seconds
        self._window = window
        self._heard = heard or features.shape[-1]
        self._made = made

    @property
    def is_waveform(self) -> bool:
        """Whether the model reads samples, not a spectrum."""
        return not self._window and self._made is None

    def heard_from(self, begin_seconds: float) -> int:
        """How many steps from one moment on are of audio, in this window and those behind it."""
        return max(0, self._heard - round(begin_seconds / self._step))

    def window(self, begin_seconds: float, seconds: float) -> NDArray[np.float32]:
        """The features from one moment on."""
        begin = round(begin_seconds / self._step)
        if not self._window:
            piece = self._features[begin : begin + round(seconds / self._step)]
            return piece if self._made is None else self._made(piece)
        piece = self._features[..., begin : begin + self._window]
        missing = self._window - piece.shape[-1]
        return np.pad(piece, [(0, 0)] * (piece.ndim - 1) + [(0, missing)]) if missing else piece

    def quiet_end(self, begin_seconds: float, seconds: float) -> float:
        """Where a window of waveform ends best: at the quietest place near its end; seconds from its start."""
        if (begin_seconds + seconds) / self._step >= self._features.size:
            return self._features.size * self._step - begin_seconds
        frame = round(_FRAME_SECONDS / self._step)
        end = round((begin_seconds + seconds) / self._step)
        tail = self._features[end - round(_CUT_SECONDS / self._step) : end]
        energies = np.square(tail[: tail.size // frame * frame].reshape(-1, frame)).sum(axis=1)
        return seconds - _CUT_SECONDS + (int(energies.argmin()) + 0.5) * _FRAME_SECONDS
