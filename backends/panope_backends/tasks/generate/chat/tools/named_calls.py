"""Tool calls that are a name, a mark and the arguments as a JSON object, such as `add[ARGS]{"a": 1}`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from panope_backends.tasks.generate.chat.tools.nesting import Nesting
from panope_backends.tasks.generate.chat.tools.readers import BufferedReader

_MOST_CHARACTERS = 256
#: What some models put around a name: where the function stands, and the number of the call.
_AROUND_NAME = re.compile(r"^functions\.|:\d+$|\[CALL_ID\].*$")


@dataclass(frozen=True)
class NamedMarks:
    """What stands around the name and the arguments of a call, with the blanks that models write.

    Attributes:
        before: the name.
        between: the name and the arguments.
        after: the arguments.
    """

    before: str
    between: str
    after: str


class NamedCallReader(BufferedReader):
    """Reads one call; as `CallReader`."""

    def __init__(self, marks: NamedMarks) -> None:
        super().__init__()
        self._before, self._between, self._after = marks.before.strip(), marks.between.strip(), marks.after.strip()
        self._state: Literal["before", "name", "arguments", "after"] = "before"
        self._name = ""
        self._nesting = Nesting()

    def _advance(self) -> bool:
        match self._state:
            case "before":
                return self._begin()
            case "name":
                return self._read_name()
            case "arguments":
                return self._read_arguments()
            case "after":
                return self._end()

    def _begin(self) -> bool:
        found = self._skip(self._before)
        self.is_broken = found is False
        if found:
            self._state = "name"
        return bool(found)

    def _read_name(self) -> bool:
        name, mark, rest = self._held.partition(self._between)
        if not mark:
            self.is_broken = len(name) > _MOST_CHARACTERS
            return False
        self._name = _AROUND_NAME.sub("", _AROUND_NAME.sub("", name.strip())).strip()
        self.is_broken = not self._name
        self._held = rest
        self._state = "arguments"
        return True

    def _read_arguments(self) -> bool:
        if not self._nesting.depth:
            self._held = self._held.lstrip()
            if not self._held.startswith("{"):
                self.is_broken = bool(self._held)
                return False
            self.name = self._name
        for place, character in enumerate(self._held):
            self._nesting.step(character)
            if not self._nesting.depth:
                self._made.append(self._held[: place + 1])
                self._held = self._held[place + 1 :]
                self._state = "after"
                self.is_done = not self._after
                return True
        self._made.append(self._held)
        self._held = ""
        return False

    def _end(self) -> bool:
        found = self._skip(self._after)
        self.is_done = found is not None
        return False
