"""Models that classify videos by their own labels: what is done in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope.worker.v1 import classify_pb2 as messages
from panope_backends.api import Arrays
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.media.limits import MediaLimits
from panope_backends.media.processors import FILES, import_transformers, trial_image
from panope_backends.media.video_frames import SampledFrames, sample_frames
from panope_backends.media.video_reader import Pixels
from panope_backends.tasks.classify.functions import Function, function_asked, top_k_asked
from panope_backends.tasks.classify.one_file import Config, best_labels, load_file_classifier
from panope_backends.tasks.stacked_arrays import PIXELS_OF_TOKEN
from panope_backends.tasks.task import ArrayItem, ArrayJob, LoadedTask, ModelSource

TASK = "classify-video"
_PIXELS = "pixel_values"

#: Either says how frames become arrays.
_FILES = ("video_preprocessor_config.json", *FILES)

#: No model that is known looks at more.
_MOST_FRAMES = 256


def load_video_classifier(source: ModelSource) -> LoadedTask:
    """Loads the model and classifies frames of colours.

    Raises:
        PreconditionError: why it cannot be served.
    """

    def requests_of(_: Config, labels: Sequence[str], function: Function) -> VideoRequests:
        return VideoRequests(FramesReader(source.folder), source.media_limits, labels, function)

    # All of a video is decoded while a job is made of it.
    return load_file_classifier(source, TASK, requests_of, prepares_long=True)


class FramesReader:
    """Makes a model's array of frames, by transformers' processor of videos.

    Args:
        folder: of the model.

    Attributes:
        frames: that the model looks at.

    Raises:
        PreconditionError: the files describe no processor, or the model looks at no fixed number of frames.
    """

    def __init__(self, folder: Path) -> None:
        if not any((folder / name).is_file() for name in _FILES):
            raise PreconditionError(f"the model has no file `{FILES[0]}`", reason="missing_file")
        transformers = import_transformers(with_torch=True)
        try:
            config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            self._processor: Any = transformers.AutoVideoProcessor.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
            self.frames = int(config.num_frames)
        except ImportError as error:
            raise PreconditionError(
                "the package `torchvision` is not installed: pip install 'panope-serving[vision]'",
                reason="not_installed",
            ) from error
        except Exception as error:  # files are checked by errors of no family
            raise PreconditionError(
                "transformers makes no processor of videos of the model's files", reason="load_failed"
            ) from error
        if not 1 <= self.frames <= _MOST_FRAMES:
            raise PreconditionError(f"`num_frames` must be from 1 to {_MOST_FRAMES}", reason="unsupported_model")

    def array(self, frames: Sequence[Pixels]) -> NDArray[np.float32]:
        """Frames × channels × height × width; one after another, so that large ones are not all held in floats.

        Raises:
            InvalidInputError: nothing can be made of frames of this size.
        """
        return np.concatenate([self._one(frame) for frame in frames])

    def _one(self, frame: Pixels) -> NDArray[np.float32]:
        try:
            writable = np.array(frame)[None]  # torch warns of others
            made = self._processor(videos=[writable], do_sample_frames=False, return_tensors="np")
            pixels: NDArray[np.float32] = np.asarray(made[_PIXELS][0], np.float32)
        except MemoryError:
            raise
        except Exception:  # sizes that come to nothing fail anywhere in it
            height, width = frame.shape[:2]
            raise InvalidInputError.at(
                "video",
                "{field} has frames of {width:,} × {height:,} pixels, of which the model's processor makes nothing",
                width=width,
                height=height,
            ) from None
        return pixels


@dataclass(slots=True)
class ClassifyVideoJob(ArrayJob):
    """The labels of one video."""

    items: Sequence[ArrayItem]
    labels: Sequence[str]
    function: Function
    top_k: int
    sampled: SampledFrames

    def answer(self, rows: Sequence[Arrays]) -> bytes:
        """The highest scores first; of equal ones the label that comes first."""
        labels, scores = best_labels(rows, self.labels, self.function, self.top_k)
        return messages.ClassifyVideoOutput(
            labels=labels,
            scores=scores,
            frames=self.sampled.total,
            seen_frames=self.sampled.numbers,
        ).SerializeToString()


class VideoRequests:
    """Prepares requests to one model.

    Args:
        reader: makes its arrays.
        limits: of videos.
        labels: of the model.
        function: of the scores, unless a request says otherwise.
    """

    def __init__(self, reader: FramesReader, limits: MediaLimits, labels: Sequence[str], function: Function) -> None:
        self.function = function
        self._reader, self._limits, self._labels = reader, limits, labels

    def sample(self, number: int) -> ArrayItem:
        """Frames to try with, others of each number."""
        images = (trial_image(number * self._reader.frames + frame) for frame in range(self._reader.frames))
        return _item(self._reader.array([np.asarray(image) for image in images]))

    def classify(self, data: bytes) -> ClassifyVideoJob:
        """A job of task `classify-video`.

        Raises:
            InvalidInputError: a field of the request is wrong for this model, or the video is not read.
        """
        message = messages.ClassifyVideoInput.FromString(data)
        function = function_asked(message.function, self.function)
        sampled = sample_frames(message.video, self._reader.frames, self._limits)
        item = _item(self._reader.array(sampled.frames))
        top_k = top_k_asked(message.top_k if message.HasField("top_k") else None, len(self._labels))
        return ClassifyVideoJob([item], self._labels, function, top_k, sampled)


def _item(pixels: NDArray[np.float32]) -> ArrayItem:
    frames, _, height, width = pixels.shape
    arrays: Mapping[str, NDArray[Any]] = {_PIXELS: pixels}
    return ArrayItem(arrays, max(1, frames * height * width // PIXELS_OF_TOKEN))
