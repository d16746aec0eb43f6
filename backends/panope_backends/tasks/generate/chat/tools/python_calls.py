"""Tool calls that are calls of Python, such as `get_weather(city='Rome', days=2)`."""

from __future__ import annotations

import ast
import json
import re
from functools import partial
from typing import Literal

from panope_backends.tasks.generate.chat.tools.nesting import Nesting
from panope_backends.tasks.generate.chat.tools.readers import BufferedReader, as_json

#: Python's brackets and quotes.
_nesting = partial(Nesting, "([{", ")]}", "\"'")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


class PythonCallReader(BufferedReader):
    """Reads one call; as `CallReader`. Values are literals of Python or of JSON, and texts where they are neither."""

    def __init__(self) -> None:
        super().__init__()
        self._state: Literal["name", "key", "value"] = "name"
        self._count = 0
        self._value = ""
        self._nesting = _nesting()

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
        self._nesting = _nesting()
        return True

    def _read_value(self) -> bool:
        for place, character in enumerate(self._held):
            if self._nesting.is_outside and character in ",)":
                self._made.append(as_json((self._value + self._held[:place]).strip(), json.loads, ast.literal_eval))
                self._state, self._held = "key", self._held[place:]
                return True
            self._nesting.step(character)
        self._value += self._held
        self._held = ""
        return False
