"""Models that classify a file at a time, of audio or a video: what is done alike in both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from panope.worker.v1 import classify_pb2 as messages
from panope_backends.api import Arrays
from panope_backends.tasks.classify.files import function_of, labels_of
from panope_backends.tasks.classify.functions import Function, best_of
from panope_backends.tasks.json_files import read_json
from panope_backends.tasks.stacked_arrays import StackedArrays
from panope_backends.tasks.task import ArrayItem, LoadedTask, ModelSource, Prepare

_LOGITS = "logits"

Config = Mapping[str, Any]


class FileRequests(Protocol):
    """Prepares requests to one model."""

    def sample(self, number: int) -> ArrayItem:
        """What to try the model with, another of each number."""

    @property
    def classify(self) -> Prepare:
        """What makes a job of a request."""


def load_file_classifier(
    source: ModelSource,
    task: str,
    requests_of: Callable[[Config, Sequence[str], Function], FileRequests],
    *,
    prepares_long: bool = False,
) -> LoadedTask:
    """Loads a model and classifies something.

    Args:
        source: the model.
        task: that its requests are of.
        requests_of: prepares requests, by its configuration, its labels, and what makes scores unless a request says
            otherwise.
        prepares_long: as of `LoadedTask`.

    Raises:
        PreconditionError: why it cannot be served.
    """
    config = read_json(source.folder / "config.json")
    model = source.load(config)
    try:
        labels = labels_of(config)
        function = function_of(config, len(labels))
        made = requests_of(config, labels, function)
        runs = StackedArrays(model, (_LOGITS,), made.sample)
        runs.trial()
    except BaseException:  # whatever it was, the memory is free for the next candidate
        model.close()
        raise
    facts = messages.ClassifyFacts(labels=labels, function=function).SerializeToString()
    return LoadedTask(model, config, {task: made.classify}, facts=facts, arrays=runs, prepares_long=prepares_long)


def best_labels(
    rows: Sequence[Arrays], labels: Sequence[str], function: Function, top_k: int
) -> tuple[list[str], list[float]]:
    """The labels of the one file that ran, the highest score first, and their scores."""
    (row,) = rows
    order, scores = best_of(row[_LOGITS].reshape(1, -1), function, top_k)
    return [labels[index] for index in order[0]], scores[0].tolist()
