"""Tool calls whose arguments stand between tags, one by one, such as `<parameter=city>Rome</parameter>`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from panope_backends.tasks.generate.chat.marks import split_at
from panope_backends.tasks.generate.chat.tools.readers import BufferedReader, Parameters, as_json

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MOST_CHARACTERS = 256


@dataclass(frozen=True)
class Tags:
    """How a call is written, blanks included.

    Attributes:
        head: around the name of the tool.
        key: around the name of an argument.
        value: around its value.
        tail: behind the last value.
    """

    head: tuple[str, str]
    key: tuple[str, str]
    value: tuple[str, str]
    tail: str


class TaggedCallReader(BufferedReader):
    """Reads one call; as `CallReader`.

    A value is the text between its tags where the tool's schema wants a text; else it is JSON, and a text where it is
    none.

    Args:
        tags: how it is written.
        parameters: of the tools.
    """

    def __init__(self, tags: Tags, parameters: Parameters) -> None:
        super().__init__()
        self._tags = tags
        self._parameters = parameters
        self._state: Literal["head", "name", "between", "key", "value"] = "head"
        self._count = 0
        self._is_text = False
        self._value = ""
        self._has_begun = False  # of a value, behind the blanks before it

    def _advance(self) -> bool:
        match self._state:
            case "head":
                return self._begin()
            case "name":
                return self._read_name()
            case "between":
                return self._read_between()
            case "key":
                return self._read_key()
            case "value":
                return self._read_value()

    def _begin(self) -> bool:
        found = self._skip(self._tags.head[0].strip())
        self.is_broken = found is False
        if found:
            self._state, self._held = "name", self._held.lstrip()
        return bool(found)

    def _read_name(self) -> bool:
        held = self._held = self._held.lstrip()
        found = _NAME.match(held)
        self.is_broken = bool(held) and found is None
        if found is None or found.end() == len(held):
            return False
        rest, closing = held[found.end() :], self._tags.head[1].strip()
        if closing.startswith(rest) and closing != rest:
            return False
        self.is_broken = not rest.startswith(closing)
        self.name, self._held, self._state = found[0], rest[len(closing) :], "between"
        return True

    def _read_between(self) -> bool:
        key = self._skip(self._tags.key[0].strip())
        if key:
            self._state = "key"
            return True
        tail = self._skip(self._tags.tail.strip())
        if tail:
            self._made.append("}" if self._count else "{}")
            self.is_done = True
            return False
        self.is_broken = key is False and tail is False
        return False

    def _read_key(self) -> bool:
        key, mark, rest = self._held.partition(self._tags.key[1].strip())
        self.is_broken = len(key) > _MOST_CHARACTERS
        if not mark or self.is_broken:
            return False
        found = None
        if opening := self._tags.value[0].strip():
            self._held = rest
            found = self._skip(opening)
            if found is None:
                self._held = key + mark + self._held
                return False
            rest = self._held
            self.is_broken = not found
        key = key.strip()
        self._is_text = is_text(self._parameters.get(self.name, {}), key)
        self._made.append(f"{', ' if self._count else '{'}{json.dumps(key, ensure_ascii=False)}: ")
        self._made.append('"' if self._is_text else "")
        self._count += 1
        self._state, self._held, self._value, self._has_begun = "value", rest, "", False
        return True

    def _read_value(self) -> bool:
        opening, closing = self._tags.value
        if not self._has_begun:
            self._has_begun = True
            if opening.endswith("\n") and self._held.startswith("\n"):
                self._held = self._held[1:]
                return True
        text, mark, self._held = split_at(self._held, [closing.rstrip(), closing.strip()])
        if self._is_text:
            self._made.append(json.dumps(text, ensure_ascii=False)[1:-1])
        else:
            self._value += text
        if mark:
            self._made.append('"' if self._is_text else as_json(self._value, json.loads))
            self._state = "between"
        return bool(mark)


def is_text(schema: Mapping[str, Any], key: str) -> bool:
    """Whether an argument is a text by the schema of all of them."""
    properties = schema.get("properties")
    found = properties.get(key) if isinstance(properties, Mapping) else None
    found = resolved(schema, found)
    if not isinstance(found, Mapping):
        return False
    if "type" in found:
        return bool(found["type"] == "string")
    values = found.get("enum", [found["const"]] if "const" in found else [])
    return bool(isinstance(values, list) and values and all(isinstance(value, str) for value in values))


def resolved(root: Mapping[str, Any], schema: object) -> object:
    """A schema, or the definition in its root to which it refers."""
    reference = schema.get("$ref") if isinstance(schema, Mapping) else None
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return schema
    found: object = root
    for name in reference[2:].split("/"):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
