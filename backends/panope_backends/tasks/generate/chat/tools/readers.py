"""What reads one tool call of an answer while it is written."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Protocol

#: Name of a tool -> the JSON Schema of its arguments.
Parameters = Mapping[str, Mapping[str, Any]]


class CallReader(Protocol):
    """Reads one call, from the first character behind what stands before calls.

    Attributes:
        name: of the tool; empty while it is unknown.
        raw: all that was read.
    """

    name: str
    raw: str

    @property
    def is_done(self) -> bool:
        """Whether the call has ended."""

    @property
    def is_broken(self) -> bool:
        """Whether this is no call."""

    def feed(self, text: str) -> int:
        """Reads characters until the call ends; how many."""

    def arguments(self) -> str:
        """What there is more of the arguments as JSON; nothing before the name is known."""


class BufferedReader(ABC):
    """A reader that takes steps through what it holds; subclasses write the steps.

    Attributes:
        name: of the tool; empty while it is unknown.
        raw: all that was read.
        is_done: whether the call has ended.
        is_broken: whether this is no call.
    """

    def __init__(self) -> None:
        self.name = ""
        self.raw = ""
        self.is_done = False
        self.is_broken = False
        self._held = ""
        self._made: list[str] = []

    def feed(self, text: str) -> int:
        """Reads characters until the call ends; how many. One at a time, so that how a text is cut changes nothing."""
        for place, character in enumerate(text):
            if self._has_ended():
                return place
            self._held += character
            while self._held and not self._has_ended() and self._advance():
                pass
            if self._held and self.is_done:  # by this one it is known that nothing more belongs to the call
                return place
            self.raw += character
        return len(text)

    def arguments(self) -> str:
        """What there is more of the arguments."""
        made, self._made = "".join(self._made), []
        return made

    def _has_ended(self) -> bool:
        return self.is_done or self.is_broken

    @abstractmethod
    def _advance(self) -> bool:
        """One step with what is held; False when more text is needed."""

    def _skip(self, mark: str) -> bool | None:
        """Takes a mark and the blanks before it; None when it may still come, False when something else does."""
        rest = self._held.lstrip()
        if rest.startswith(mark):
            self._held = rest[len(mark) :]
            return True
        return None if mark.startswith(rest) else False


def as_json(text: str, *parsers: Callable[[str], Any]) -> str:
    """A value as JSON: by the first parser that reads it, and as a text where none does.

    Numbers that JSON lacks, such as infinity, stay texts too.
    """
    for parse in parsers:
        try:
            return json.dumps(parse(text), ensure_ascii=False, allow_nan=False)
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            continue
    return json.dumps(text, ensure_ascii=False)
