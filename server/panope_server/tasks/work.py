"""What callers ask and get, free of any protocol: the nouns that pass through the pipeline.

Transport fills a `Call`; the steps of the pipeline carry it to an instance; the answer comes back the same way.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal

Purpose = Literal["", "query", "document"]


@dataclass(slots=True)
class EmbedWork:
    """Texts to embed; exactly one of `texts` and `token_sequences` is filled.

    Attributes:
        own_ids: whether `token_sequences` are ids of the model's vocabulary; otherwise nobody knows yet whose they are.
        truncation: `refuse`, `end` or `start`.
        normalize: None for what the model's files say.
        dimensions: how many leading values to keep; None for all.
        prompt_name: None for what the model's files say.
        purpose: what the texts are for; the model's own prompt for it goes before each, if it has one.
    """

    texts: list[str] = field(default_factory=list)
    token_sequences: list[list[int]] = field(default_factory=list)
    own_ids: bool = True
    truncation: str = "refuse"
    normalize: bool | None = None
    dimensions: int | None = None
    prompt_name: str | None = None
    purpose: Purpose = ""


@dataclass(slots=True)
class EmbedAnswer:
    """Vectors in the order of the texts: `count` × `dimensions` little-endian 32-bit floats."""

    vectors: bytes
    count: int
    dimensions: int
    token_counts: list[int]
    truncated_indices: list[int]


@dataclass(slots=True)
class NamedTensor:
    """A dense, row-major, little-endian array; `dtype` is NumPy's name."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: bytes


@dataclass(slots=True)
class TensorWork:
    """Named tensors to run; `output_names` empty for all."""

    inputs: list[NamedTensor]
    output_names: list[str] = field(default_factory=list)


@dataclass(slots=True)
class TensorAnswer:
    """The outputs, in the order asked for."""

    outputs: list[NamedTensor]


@dataclass(slots=True)
class TokenizeWork:
    """Texts to split into tokens."""

    texts: list[str]
    add_special_tokens: bool = True


@dataclass(slots=True)
class TokenizedText:
    """The tokens of one text; offsets count Unicode code points, ends are exclusive.

    Attributes:
        special: whether each token was put around the text.
    """

    ids: list[int]
    tokens: list[str]
    starts: list[int]
    ends: list[int]
    special: list[bool] = field(default_factory=list)


@dataclass(slots=True)
class TokenizeAnswer:
    """The tokens of each text, in order."""

    texts: list[TokenizedText]


@dataclass(slots=True)
class DetokenizeWork:
    """Token ids to join into texts."""

    token_sequences: list[list[int]]
    skip_special_tokens: bool = True


@dataclass(slots=True)
class DetokenizeAnswer:
    """The texts, in order."""

    texts: list[str]


Work = EmbedWork | TensorWork | TokenizeWork | DetokenizeWork
Answer = EmbedAnswer | TensorAnswer | TokenizeAnswer | DetokenizeAnswer


@dataclass(slots=True)
class Place:
    """Where a piece of work was run; everything is empty until an instance has it.

    Attributes:
        instance: its name, unique in this server.
        format: of the variant's files.
        precision: of the variant's weights.
    """

    instance: str = ""
    variant_digest: str = ""
    format: str = ""
    precision: str = ""
    backend: str = ""

    @property
    def variant(self) -> str:
        """The variant in a word, such as `openvino-int8`; a model has few."""
        return "-".join(part for part in (self.format, self.precision) if part)


@dataclass(slots=True)
class Call:
    """One request on its way.

    Attributes:
        model: the name as the caller wrote it; empty asks for the default model of `task`.
        work: what to do.
        task: the task that the model must have; empty when any will do.
        interface: the method called, for metrics and logs, such as `EmbedService/Embed`.
        request_id: from Envoy or the caller, else made by transport; printable ASCII.
        deadline: when the caller stops waiting, on `time.monotonic`'s clock; None when the caller set none.
        started: when transport saw the call, on the same clock.
        asked: the name that the caller wrote, or the default's, once `model` is what it means.
        wait: whether the caller waits while the model is downloaded, instead of being told to come back.
        resolved: whether the registry knows the model.
        model_task: the model's task, once the registry has found it.
        place: where it was run last.
    """

    model: str
    work: Work
    task: str
    interface: str
    request_id: str
    deadline: float | None = None
    started: float = field(default_factory=time.monotonic)
    asked: str = ""
    wait: bool = False
    resolved: bool = False
    model_task: str = ""
    place: Place = field(default_factory=Place)

    @property
    def model_name(self) -> str:
        """`vendor/name` of a resolved call's model, of which `model` may name one variant."""
        return self.model.partition("@")[0]

    @property
    def remaining_seconds(self) -> float | None:
        """The time left; negative when it is up, None without a deadline."""
        return None if self.deadline is None else self.deadline - time.monotonic()
