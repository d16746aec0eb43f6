"""What task `classify` takes and gives, and what is known of any model with labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from panope.worker.v1 import classify_pb2 as messages
from panope.worker.v1 import worker_pb2 as wire
from panope_backends.graphs.decoders import LabelScores
from panope_registry.inspect.tasks.known import head_of
from panope_server.tasks.texts import BatchInput, TextsOutput

Function = Literal["", "softmax", "sigmoid", "none"]
"""What makes scores of a model's values; empty for what the model's files say."""

#: What transformers calls the tasks of classes that take images.
_OF_AUDIO = "audio-classification"
_OF_VIDEOS = "video-classification"
_OF_IMAGES = frozenset({"image-classification", "zero-shot-image-classification"})

FUNCTIONS = ("softmax", "sigmoid", "none")


class LabelScore(NamedTuple):
    """A label and its score."""

    label: str
    score: float


@dataclass(slots=True)
class ClassifyInput(BatchInput):
    """Texts to classify.

    Attributes:
        second_texts: the second text of each, where pairs are classified; else empty.
        top_k: how many labels to tell of each text; None for all.
    """

    texts: list[str]
    second_texts: list[str] = field(default_factory=list)
    function: Function = ""
    top_k: int | None = None


@dataclass(slots=True)
class ClassifyOutput(TextsOutput):
    """The labels of each text, in the order of the texts, the highest score first.

    Attributes:
        label_ids: the ids of the labels, in the same order.
    """

    texts: list[list[LabelScore]]
    token_counts: list[int]
    truncated_indices: list[int]
    label_ids: list[list[int]] = field(default_factory=list)


@dataclass(frozen=True)
class ClassifySpec:
    """What a model with labels takes and gives.

    Attributes:
        labels: by their ids.
        max_tokens: of one text, or of two with those between them.
        function: that makes scores of the model's values unless a request says otherwise.
        entailment_label: by which labels of the caller's own are scored; empty where the model has none.
        batching: as of an `embed` model.
    """

    labels: tuple[str, ...]
    max_tokens: int
    function: str
    entailment_label: str
    batching: str


def classifies_images(architecture: str) -> bool:
    """Whether a model of the task takes images, told from its class, or its decoder where `panope.json` names one."""
    return head_of(architecture) in _OF_IMAGES or architecture == LabelScores.__struct_config__.tag


def classifies_audio(architecture: str) -> bool:
    """Whether a model of the task takes audio, told from its class."""
    return head_of(architecture) == _OF_AUDIO


def classifies_videos(architecture: str) -> bool:
    """Whether a model of the task takes videos, told from its class."""
    return head_of(architecture) == _OF_VIDEOS


def spec_of(ready: wire.Ready) -> ClassifySpec:
    """What a worker tells of a model with labels."""
    facts = messages.ClassifyFacts.FromString(ready.facts)
    return ClassifySpec(
        labels=tuple(facts.labels),
        max_tokens=facts.max_tokens,
        function=facts.function,
        entailment_label=facts.entailment_label,
        batching=ready.batching,
    )
