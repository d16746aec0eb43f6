"""Models that say which labels fit audio: what sounds there are, who feels how, which word is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope.worker.v1 import classify_pb2 as messages
from panope_backends.api import Arrays
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.media.audio import Samples, decode_audio
from panope_backends.media.limits import MediaLimits
from panope_backends.media.processors import import_transformers
from panope_backends.model_facts.audio_models import AudioInput, audio_input, least_samples
from panope_backends.tasks.classify.functions import Function, function_asked, top_k_asked
from panope_backends.tasks.classify.one_file import Config, best_labels, load_file_classifier
from panope_backends.tasks.stacked_arrays import tokens_of
from panope_backends.tasks.task import ArrayItem, ArrayJob, LoadedTask, ModelSource

TASK = "classify-audio"
_FILES = ("preprocessor_config.json", "processor_config.json")

MAX_SECONDS = 60.0
"""Of audio that a model reads at once, whose memory grows with the square of it."""

_TRIAL_SECONDS = 1.0


def load_audio_classifier(source: ModelSource) -> LoadedTask:
    """Loads the model and classifies a second of noise.

    Raises:
        PreconditionError: why it cannot be served.
    """

    def requests_of(config: Config, labels: Sequence[str], function: Function) -> AudioRequests:
        reader = AudioReader(source.folder, audio_input(config))
        return AudioRequests(reader, source.media_limits, labels, function)

    return load_file_classifier(source, TASK, requests_of)


class AudioReader:
    """Makes a model's arrays of audio, by transformers' extractor.

    Args:
        folder: of the model.
        takes: what the model reads.

    Attributes:
        rate: of the samples that it reads, in a second.
        window: seconds of audio that it reads from its beginning on; infinity for all of it.
        least: samples of the shortest audio that it reads.

    Raises:
        PreconditionError: the files describe no extractor, or one that makes something else.
    """

    def __init__(self, folder: Path, takes: AudioInput) -> None:
        if not any((folder / name).is_file() for name in _FILES):
            raise PreconditionError(f"the model has no file `{_FILES[0]}`", reason="missing_file")
        transformers = import_transformers()
        try:
            self._extract: Any = transformers.AutoFeatureExtractor.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
            config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            self.rate = int(self._extract.sampling_rate)
            self.least = least_samples(config) if takes.is_waveform else 1
            self._names = (takes.name, *(("attention_mask",) if takes.has_mask else ()))
            made = self._extract(np.zeros(self.rate, np.float32), sampling_rate=self.rate, return_tensors="np")
            self._steps = made[takes.name].shape[takes.time_axis] if takes.is_window else 0
        except PreconditionError:
            raise
        except Exception as error:  # files are checked by errors of no family
            raise PreconditionError(
                f"`{_FILES[0]}` describes no extractor of what the model reads", reason="load_failed"
            ) from error
        self.window = self._steps * _seconds_of_step(self._extract) if takes.is_window else float("inf")

    def arrays(self, samples: Samples) -> dict[str, NDArray[Any]]:
        """The model's inputs by their names, without the batch's axis."""
        made = self._extract(samples, sampling_rate=self.rate, return_tensors="np")
        return {name: np.asarray(made[name][0]) for name in self._names}


def _seconds_of_step(extractor: Any) -> float:
    """Of a spectrum, in which frames of Kaldi's, AST's, are a hundredth of a second apart."""
    hop = getattr(extractor, "hop_length", 0)
    return hop / extractor.sampling_rate if hop else 0.01


@dataclass(slots=True)
class ClassifyAudioJob(ArrayJob):
    """The labels of one file."""

    items: Sequence[ArrayItem]
    labels: Sequence[str]
    function: Function
    top_k: int
    seconds: float
    heard: float

    def answer(self, rows: Sequence[Arrays]) -> bytes:
        """The highest scores first; of equal ones the label that comes first."""
        labels, scores = best_labels(rows, self.labels, self.function, self.top_k)
        return messages.ClassifyAudioOutput(
            labels=labels,
            scores=scores,
            duration=self.seconds,
            heard=self.heard,
        ).SerializeToString()


class AudioRequests:
    """Prepares requests to one model.

    Args:
        reader: makes its arrays.
        limits: of audio.
        labels: of the model.
        function: of the scores, unless a request says otherwise.
    """

    def __init__(self, reader: AudioReader, limits: MediaLimits, labels: Sequence[str], function: Function) -> None:
        self.function = function
        self._reader, self._limits, self._labels = reader, limits, labels

    def sample(self, number: int) -> ArrayItem:
        """Noise to try with, another of each number."""
        size = max(self._reader.least, round(_TRIAL_SECONDS * self._reader.rate))
        return self._item(np.random.default_rng(number).standard_normal(size).astype(np.float32) * 0.1)

    def classify(self, data: bytes) -> ClassifyAudioJob:
        """A job of task `classify-audio`.

        Raises:
            InvalidInputError: a field of the request is wrong for this model.
        """
        message = messages.ClassifyAudioInput.FromString(data)
        function = function_asked(message.function, self.function)
        samples = decode_audio(message.audio, self._reader.rate, self._limits)
        seconds = samples.size / self._reader.rate
        heard = min(seconds, self._reader.window)
        self._check(samples, heard)
        top_k = top_k_asked(message.top_k if message.HasField("top_k") else None, len(self._labels))
        item = self._item(samples[: round(heard * self._reader.rate)])
        return ClassifyAudioJob([item], self._labels, function, top_k, seconds, heard)

    def _check(self, samples: Samples, heard: float) -> None:
        if samples.size < self._reader.least:
            raise InvalidInputError.at(
                "audio",
                "{field} has {count:,} samples at {rate:,} Hz; the model hears {least:,} at least",
                count=samples.size,
                rate=self._reader.rate,
                least=self._reader.least,
            )
        if heard > MAX_SECONDS:
            raise InvalidInputError.at(
                "audio", "{field} is longer than {limit:g} seconds, which the model reads at once", limit=MAX_SECONDS
            )

    def _item(self, samples: Samples) -> ArrayItem:
        arrays = self._reader.arrays(samples)
        return ArrayItem(arrays, tokens_of(arrays))
