"""Tool calls that are calls of Python, such as `get_weather(city='Rome', days=2)`."""

from __future__ import annotations

import ast
import json
import re
from typing import Literal

from panope_backends.tasks.generate.chat.call_readers import BufferedReader

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_OPENING, _CLOSING = "([{", ")]}"


class PythonCallReader(BufferedReader):
    """Reads one call; as `CallReader`. Values are literals of Python or of JSON, and texts where they are neither."""

    def __init__(self) -> None:
        super().__init__()
        self._state: Literal["name", "key", "value"] = "name"
        self._count = 0
        self._value = ""
        self._depth = 0
        self._quote = ""
        self._escaped = False

    def _advance(self) -> bool:
        match self._state:
            case "name":
                return self._read_name()
            case "key":
                return self._read_key()
            case "value":
                return self._read_value()

    def _read_name(self) -> bool:
        found = _NAME.match(self._held)
        if found is not None and found.end() == len(self._held):
            return False
        self.is_broken = found is None or self._held[found.end()] != "("
        if found is None or self.is_broken:
            return False
        self.name, self._held, self._state = found[0], self._held[found.end() + 1 :], "key"
        return True

    def _read_key(self) -> bool:
        held = self._held = self._held.lstrip(", \t\r\n")
        if held.startswith(")"):
            self._held = held[1:]
            self._made.append("}" if self._count else "{}")
            self.is_done = True
            return False
        found = _NAME.match(held)
        if not held or (found is not None and not held[found.end() :].strip()):
            return False
        rest = "" if found is None else held[found.end() :].lstrip()
        self.is_broken = not rest.startswith("=")
        if found is None or self.is_broken:
            return False
        self._made.append(f"{', ' if self._count else '{'}{json.dumps(found[0])}: ")
        self._count += 1
        self._state, self._held, self._value = "value", rest[1:], ""
        return True

    def _read_value(self) -> bool:
        for place, character in enumerate(self._held):
            if not (self._quote or self._depth) and character in ",)":
                self._made.append(_as_json(self._value + self._held[:place]))
                self._state, self._held = "key", self._held[place:]
                return True
            self._step(character)
        self._value += self._held
        self._held = ""
        return False

    def _step(self, character: str) -> None:
        if self._quote:
            if self._escaped:
                self._escaped = False
            elif character == "\\":
                self._escaped = True
            elif character == self._quote:
                self._quote = ""
        elif character in "\"'":
            self._quote = character
        elif character in _OPENING:
            self._depth += 1
        elif character in _CLOSING:
            self._depth -= 1


def _as_json(text: str) -> str:
    text = text.strip()
    for read in (json.loads, ast.literal_eval):
        try:
            return json.dumps(read(text), ensure_ascii=False)
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            continue
    return json.dumps(text, ensure_ascii=False)
