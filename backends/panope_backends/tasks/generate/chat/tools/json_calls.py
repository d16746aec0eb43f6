"""Tool calls as JSON objects with `name` and `arguments`, read as they come."""

from __future__ import annotations

import json
from typing import Literal

from panope_backends.tasks.generate.chat.tools.nesting import Nesting

#: What models call the arguments.
_ARGUMENTS = ("arguments", "parameters")
#: All that a call has; an object with something else is none.
_KEYS = frozenset({"name", "id", "type", *_ARGUMENTS})

_State = Literal["start", "key", "colon", "value", "comma", "done", "broken"]


class CallScanner:
    """Reads one object, a character at a time.

    Attributes:
        name: of the tool; empty while it is unknown.
        raw: all that was read.
        is_done: whether the object has ended.
        is_broken: whether this is no call.
    """

    def __init__(self) -> None:
        self.name = ""
        self.raw = ""
        self._state: _State = "start"
        self._key = ""
        self._value = ""
        self._nesting = Nesting()
        self._escaped = False  # of the next character of a key
        self._arguments = ""
        self._told = 0
        self._arguments_complete = False

    @property
    def is_done(self) -> bool:
        """Whether the object has ended."""
        return self._state == "done"

    @property
    def is_broken(self) -> bool:
        """Whether this is no call of a tool."""
        return self._state == "broken"

    def feed(self, text: str) -> int:
        """Reads characters until the object ends; how many."""
        for place, character in enumerate(text):
            if self._state in ("done", "broken"):
                return place
            self.raw += character
            self._step(character)
        return len(text)

    def arguments(self) -> str:
        """What there is more of the arguments; nothing before the name is known."""
        if not self.name:
            return ""
        text = self._arguments
        if text.startswith('"'):  # JSON within JSON
            text = _unquoted(text) if self._arguments_complete else ""
        more = text[self._told :]
        self._told += len(more)
        return more

    def _step(self, character: str) -> None:
        match self._state:
            case "value":
                self._step_value(character)
            case "key":
                self._step_key(character)
            case _ if character.isspace():
                return
            case "start":
                self._state = "comma" if character == "{" else "broken"
                self._value = ""
            case "colon":
                self._state = "value" if character == ":" else "broken"
                self._value, self._nesting = "", Nesting()
            case "comma":
                self._step_comma(character)

    def _step_comma(self, character: str) -> None:
        if character == '"':
            self._state, self._key, self._escaped = "key", "", False
        elif character == "}":
            self._state = "done" if self.name else "broken"
        elif character != ",":
            self._state = "broken"

    def _step_key(self, character: str) -> None:
        if self._escaped:
            self._escaped = False
        elif character == "\\":
            self._escaped = True
        elif character == '"':
            self._state = "colon" if self._key in _KEYS else "broken"
            return
        self._key += character

    def _step_value(self, character: str) -> None:
        if not self._value and character.isspace():
            return
        if self._nesting.is_outside and self._value and (character in ",}" or character.isspace()):
            self._end_value()  # a number or a word
            if not character.isspace():
                self._step_comma(character)
            return
        self._put(character)
        was_outside = self._nesting.is_outside
        self._nesting.step(character)
        if self._nesting.is_outside and not was_outside:
            self._end_value()

    def _put(self, character: str) -> None:
        self._value += character
        if self._key in _ARGUMENTS:
            self._arguments += character

    def _end_value(self) -> None:
        if self._key == "name":
            self.name = _unquoted(self._value)
            if not self.name:
                self._state = "broken"
                return
        if self._key in _ARGUMENTS:
            self._arguments_complete = True
        self._state = "comma"


def _unquoted(text: str) -> str:
    try:
        value = json.loads(text)
    except ValueError:
        return ""
    return value if isinstance(value, str) else ""
