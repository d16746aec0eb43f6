"""Files that are not what their names say: what was found in the place of one, and the way out.

Downloads and clones leave such files; each would be refused later by a reader that cannot tell what it sees.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from panope_backends.errors import PreconditionError
from panope_registry.inspect.documents import broken
from panope_registry.inspect.file_bytes import Header
from panope_registry.inspect.file_kinds import FileKind
from panope_registry.names import shown

_FIRST_BYTES = 512

#: Texts are looked through whole, unless they are longer than any vocabulary.
_MOST_TEXT_BYTES = 256 << 20
_TEXT_SUFFIXES = (".json", ".txt")

_LOOKED_AT = frozenset({FileKind.WEIGHTS, FileKind.CONFIG, FileKind.TOKENIZER})

#: How a file begins -> what it is then, and what to do.
_BEGINNINGS = (
    (
        re.compile(rb"version https://git-lfs\.github\.com/spec/|# xet version "),
        "it is a pointer of Git LFS in the place of the file; run `git lfs pull` in the folder it was cloned to",
    ),
    (
        re.compile(rb"\s*(<!doctype html|<html)", re.IGNORECASE),
        "it is an HTML page, as a server sends for what it does not have or does not give; download the file again",
    ),
    (
        re.compile(rb"\s*(<\?xml[^>]*>\s*)?<Error>"),
        "it is the error message of a storage server; download the file again",
    ),
    (
        re.compile(rb"(Entry not found|Repository not found|Invalid username or password|Access to model .*)\s*\Z"),
        "it is the error message of a hub; download the file again",
    ),
)

#: An escape of half a character that the other half does not follow, or go before.
_LONE_SURROGATE = re.compile(
    rb"(?<!\\)(?:\\\\)*(?:"
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2})"
)


def refuse_mismatched(files: Mapping[str, Header], kinds: Mapping[str, FileKind]) -> None:
    """Looks at the files that are here; a hub's are known by their hashes.

    Raises:
        InvalidInputError: naming the file, what was found in its place, and what to do.
        PreconditionError: a file cannot be read.
    """
    for path, file in files.items():
        if not isinstance(file, Path) or kinds[path] not in _LOOKED_AT:
            continue
        is_text = kinds[path] is not FileKind.WEIGHTS and path.endswith(_TEXT_SUFFIXES)
        data = _read(path, file, _MOST_TEXT_BYTES if is_text else _FIRST_BYTES)
        for pattern, told in _BEGINNINGS:
            if pattern.match(data[:_FIRST_BYTES]):
                raise broken(path, told)
        if is_text and len(data) < _MOST_TEXT_BYTES:
            _refuse_half_characters(path, data)


def _read(path: str, file: Path, size: int) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(size)
    except PermissionError:
        raise PreconditionError(f"`{shown(path)}` cannot be read", reason="unreadable_file") from None


def _refuse_half_characters(path: str, data: bytes) -> None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise broken(path, f"it is not UTF-8 text, at byte {error.start}") from None
    if path.endswith(".json") and (found := _LONE_SURROGATE.search(data)):
        line = data.count(b"\n", 0, found.start()) + 1
        raise broken(
            path,
            f"line {line}: `{found[0][-6:].decode()}` is half of a character (a lone surrogate), which no text has",
        )
