"""What a protocol makes of a request to generate, and of the events that answer it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from panope_backends.api import GenerationRequest, GenerationUsage, TokenDelta


@dataclass(frozen=True)
class Asked:
    """A request as the server gets it.

    Attributes:
        path: after the address of the API.
        body: JSON.
        fields: names in the body -> names of GenerationRequest's, for refusals.
        prompt: the field that holds what is read.
    """

    path: str
    body: bytes
    fields: Mapping[str, str] = field(default_factory=dict)
    prompt: str = "prompt"


class Answers(Protocol):
    """The answers to one request, made of events."""

    @property
    def is_complete(self) -> bool:
        """Whether each answer has ended, and what it took is known."""

    @property
    def has_ended(self) -> bool:
        """Whether each answer has ended."""

    def take(self, event: bytes) -> Sequence[TokenDelta]:
        """What an event adds, without the ends of answers.

        Raises:
            PanopeError: it is none, or tells of a failure.
        """

    def ends(self) -> Sequence[TokenDelta]:
        """The end of each answer; what ended none says so."""

    def usage(self) -> GenerationUsage:
        """What the request took: as the server tells, else as its events were counted."""


class Dialect(Protocol):
    """A protocol."""

    @property
    def honoured(self) -> frozenset[str]:
        """Names of fields that the server is said to honour."""

    def unsupported(self, request: GenerationRequest) -> tuple[str, ...]:
        """Names of fields that it does not honour with these values."""

    def asked(self, request: GenerationRequest) -> Sequence[Asked]:
        """What the server is asked: once, or once for each answer.

        Raises:
            InvalidInputError: a field cannot be honoured.
        """

    def answers(self, request: GenerationRequest, index: int) -> Answers:
        """What takes the events of one of those, by its place among them."""
