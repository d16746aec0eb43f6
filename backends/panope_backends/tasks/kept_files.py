"""What is made once of a model's small files, and kept with the digest of what it was made of."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T", bound=msgspec.Struct)

_log = logging.getLogger(__name__)

#: What tokenizers are made of; `*.index.json` tells where weights lie, which a conversion changes.
_SOURCES = (
    "*.json",
    "*.jinja",
    "*.model",
    "*.vocab",
    "*.merges",
    "*.tiktoken",
    "*.spm",
    "*.bpe",
    "vocab.txt",
    "merges.txt",
)
_NOT_SOURCES = ("*.index.json", "panope_*.json")


def digest_of(folder: Path, recipe: str) -> str:
    """The digest of all files of a folder that a tokenizer may be made of, by their names and contents.

    Args:
        folder: of the model.
        recipe: changes when something else is made of the same files.
    """
    whole = hashlib.sha256(f"{recipe}\n".encode())
    for path in sorted(_sources(folder)):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        whole.update(f"{path.name}\n{content}\n".encode())
    return whole.hexdigest()


def read_kept(path: Path, kind: type[T]) -> T | None:
    """What was kept; None where nothing was, or what is there is broken."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError):
        return None


def keep(prepared: msgspec.Struct, path: Path) -> None:
    """Writes the file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.encode(prepared))
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink()
        raise


def make_in(cache: Path | None, make: Callable[[Path], T]) -> T:
    """What is made in the cache, or in a folder that is dropped where nothing can be written in the cache.

    Args:
        cache: where to keep what is made; None for nowhere.
        make: makes it in a folder; may be called twice.
    """
    if cache is not None:
        try:
            return make(cache)
        except OSError as error:  # it is read-only, or its disk is full
            _log.warning("what is made of the model's files is not kept, and is made at each load: %s", error)
    with tempfile.TemporaryDirectory(prefix="panope-kept-") as folder:
        return make(Path(folder))


def _sources(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if (
            path.is_file()
            and any(path.match(pattern) for pattern in _SOURCES)
            and not any(path.match(pattern) for pattern in _NOT_SOURCES)
        ):
            yield path
