"""How deep in brackets and quotes a value is while it is read."""

from __future__ import annotations


class Nesting:
    """Follows a value of JSON, or of Python, character by character.

    Args:
        opening: the brackets that open.
        closing: those that close.
        quotes: the characters that begin a text, each of which ends at the same one.

    Attributes:
        depth: of brackets that are open.
    """

    def __init__(self, opening: str = "{[", closing: str = "}]", quotes: str = '"') -> None:
        self.depth = 0
        self._opening, self._closing, self._quotes = opening, closing, quotes
        self._quote = ""
        self._is_escaped = False

    @property
    def is_outside(self) -> bool:
        """Whether what comes next stands in no brackets and no text."""
        return not (self.depth or self._quote)

    def step(self, character: str) -> None:
        """Takes the next character."""
        if self._quote:
            self._step_text(character)
        elif character in self._quotes:
            self._quote = character
        elif character in self._opening:
            self.depth += 1
        elif character in self._closing:
            self.depth -= 1

    def _step_text(self, character: str) -> None:
        if self._is_escaped:
            self._is_escaped = False
        elif character == "\\":
            self._is_escaped = True
        elif character == self._quote:
            self._quote = ""
