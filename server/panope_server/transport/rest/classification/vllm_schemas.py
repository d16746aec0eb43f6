"""The bodies of vLLM's paths that classify and score, and what is answered."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from msgspec import Meta, Struct

from panope_server.transport.rest.classification.schemas import RerankUsageJson, Text

Texts = Text | Annotated[list[Text], Meta(min_length=1)]


class _Body(Struct, forbid_unknown_fields=True, kw_only=True):
    """What both bodies have.

    Attributes:
        model: Absent for the only model of the task.
        truncate_prompt_tokens: -1 cuts a text that is too long at its end instead of refusing it.
        use_activation: Whether scores are made of the model's own values as its files say. Default: yes.
        user: Whoever asks, for the log.
    """

    model: Text | None = None
    truncate_prompt_tokens: Literal[-1] | None = None
    use_activation: bool | None = None
    user: str | None = None


class ClassifyInputBody(_Body, forbid_unknown_fields=True, kw_only=True):
    """POST /v1/classify and /classify, as vLLM has it.

    Attributes:
        input: A text, or texts.
    """

    input: Texts


class ScoreBody(_Body, forbid_unknown_fields=True, kw_only=True):
    """POST /v1/score and /score, as vLLM has it: two fields of texts, by one of its four pairs of names.

    One text of the first goes with each of the second, otherwise there are as many of both.

    Attributes:
        text_1: A text, or texts; `text_2` goes with it.
        data_1: As `text_1`; `data_2` goes with it.
        queries: As `text_1`; `documents` or `items` goes with it.
    """

    text_1: Texts | None = None
    text_2: Texts | None = None
    data_1: Texts | None = None
    data_2: Texts | None = None
    queries: Texts | None = None
    documents: Texts | None = None
    items: Texts | None = None


class ClassifiedTextJson(TypedDict):
    """A text by its position in the request.

    Attributes:
        label: of the highest score.
        probs: the score of each label, in the order of the labels' ids.
        num_classes: the labels.
    """

    index: int
    label: str
    probs: list[float]
    num_classes: int


class ClassifiedJson(TypedDict):
    """The labels of texts."""

    id: str
    object: Literal["list"]
    created: int
    model: str
    data: list[ClassifiedTextJson]
    usage: RerankUsageJson


class ScoredPairJson(TypedDict):
    """Two texts by their position in the request."""

    index: int
    object: Literal["score"]
    score: float


class ScoredJson(TypedDict):
    """The scores of pairs of texts."""

    id: str
    object: Literal["list"]
    created: int
    model: str
    data: list[ScoredPairJson]
    usage: RerankUsageJson
