"""The one rule for names of models and the one rule for paths of files inside them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from panope_backends.errors import InvalidInputError

FOLDER = "folder"
"""The `source` of a repo that came from a folder of this machine and not from a hub."""

MAX_PART_LENGTH = 96
MAX_PATH_BYTES = 1024
MAX_SEGMENT_BYTES = 255
MAX_WORD_LENGTH = 200
MAX_REASON_LENGTH = 1000
MAX_INTEGER = (1 << 63) - 1
"""The largest number that both databases keep."""

_PART = re.compile(rf"(?=.{{1,{MAX_PART_LENGTH}}}\Z)[A-Za-z0-9_]([A-Za-z0-9._:-]*[A-Za-z0-9._-])?")
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True)
class ModelName:
    """`vendor/name`, or `name` alone, checked; the vendor is empty then."""

    vendor: str
    name: str

    def __str__(self) -> str:
        """Returns the form that users write."""
        return f"{self.vendor}/{self.name}" if self.vendor else self.name


def parse_model_name(text: str, field: str = "name") -> ModelName:
    """Checks a model's name.

    One part or two of 1 to 96 ASCII letters, digits, `_`, `-`, `:` and single dots, not beginning with `-`, `.` or `:`
    and not ending with `:`, as the hub (`acme/tiny`, `gpt2`), OpenAI (`ft:tiny:acme::7p4l`) and Ollama (`tiny:latest`)
    have them.

    Args:
        text: the name.
        field: what the caller calls it, for the error.

    Raises:
        InvalidInputError: it is not such a name.
    """
    parts = text.split("/")
    if len(parts) > 2:
        raise InvalidInputError(f"`{shown(text)}` is not a model's name: write VENDOR/NAME or NAME", field=field)
    for part in parts:
        if not _PART.fullmatch(part) or ".." in part:
            raise InvalidInputError(
                f"`{shown(text)}` is not a model's name: each part has 1 to {MAX_PART_LENGTH} ASCII letters, digits, "
                "`_`, `-`, `:` and single dots, begins with a letter, a digit or `_`, and does not end with `:`",
                field=field,
            )
    return ModelName(*parts) if len(parts) == 2 else ModelName("", parts[0])


def checked_text(text: str, field: str, limit: int = MAX_WORD_LENGTH) -> str:
    """Returns what a caller writes for a field, if it can be recorded and compared on every database.

    Raises:
        InvalidInputError: it is longer than `limit` characters, or holds a NUL or half of a character.
    """
    if len(text) > limit:
        raise InvalidInputError.at(
            field, "{field} has {count:,} characters; the limit is {limit:,}", count=len(text), limit=limit
        )
    if not is_storable(text):
        raise InvalidInputError.at(field, "{field} holds a character that cannot be recorded")
    return text


def checked_limit(limit: int) -> int:
    """Returns how many are wanted; InvalidInputError when it is less than none, or no database counts so far."""
    if not 0 <= limit <= MAX_INTEGER:
        raise InvalidInputError.at("limit", "{field} must be a number from 0 to {most:,}", most=MAX_INTEGER)
    return limit


def is_storable(text: str) -> bool:
    """Returns whether both databases can keep a text: it has no NUL and no lone half of a surrogate pair."""
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def safe_relative_path(text: str) -> str:
    """Returns the path if it stays inside the folder that it is joined to, on every system.

    Segments are separated by `/`; each is printable, none is empty, `.` or `..`; no backslash, no drive.

    Raises:
        InvalidInputError: it is not such a path.
    """
    problem = _path_problem(text)
    if problem:
        raise InvalidInputError(f"`{shown(text)}` is not a path inside a model: {problem}", reason="unsafe_path")
    return text


def shown(text: str, limit: int = 200) -> str:
    """Returns the text for a message: on one line, printable and not too long."""
    visible = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text[:limit])
    return visible + ("…" if len(text) > limit else "")


def _path_problem(text: str) -> str:
    """Returns what is wrong with it; empty when nothing is."""
    if not text:
        return "it is empty"
    if not text.isprintable():  # control characters, lone surrogates, marks that change the reading direction
        return "it holds characters that cannot be printed"
    if "\\" in text:
        return "it holds a backslash"
    if text.startswith("/") or _DRIVE.match(text):
        return "it is absolute"
    if len(text.encode()) > MAX_PATH_BYTES:
        return f"it is longer than {MAX_PATH_BYTES} bytes"
    segments = text.split("/")
    if any(segment in ("", ".", "..") for segment in segments):
        return "a segment is empty, `.` or `..`"
    if any(len(segment.encode()) > MAX_SEGMENT_BYTES for segment in segments):
        return f"a segment is longer than {MAX_SEGMENT_BYTES} bytes"
    return ""
