"""An answer's text in its parts: what is said, what is thought before, and which tools are called."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(slots=True)
class ToolCallPiece:
    """A piece of a tool call; `id` and `name` come with its first piece."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(slots=True)
class TextPiece:
    """What there is more of an answer."""

    content: str = ""
    reasoning: str = ""
    calls: list[ToolCallPiece] = field(default_factory=list)


class AnswerText(Protocol):
    """Parts the text of one answer as it comes."""

    @property
    def is_reasoning(self) -> bool:
        """Whether what comes next is thought."""

    @property
    def has_calls(self) -> bool:
        """Whether a tool was called."""

    @property
    def has_open_call(self) -> bool:
        """Whether the text ended within a call, which is not to be run then."""

    def push(self, text: str) -> list[TextPiece]:
        """Takes what the text has more than before."""

    def finish(self) -> list[TextPiece]:
        """Gives what was held back, when the answer has ended."""


class PlainText:
    """A text that is content alone."""

    is_reasoning = False
    has_calls = False
    has_open_call = False

    def push(self, text: str) -> list[TextPiece]:
        """The text."""
        return [TextPiece(text)] if text else []

    def finish(self) -> list[TextPiece]:
        """Nothing."""
        return []
