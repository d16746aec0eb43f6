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

from panope_backends.errors import InternalError
from panope_backends.sealed_files import find_sealed, seal

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

_TOKENIZERS, _SUFFIX = "tokenizers", ".json"


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


def tokenizer_in(cache: Path | None, made_of: str, make: Callable[[Path], None], read: Callable[[Path], T | None]) -> T:
    """A tokenizer that was kept in the cache, or is made there; in a folder that is dropped where that is not written.

    Args:
        cache: where to keep what is made; None for nowhere.
        made_of: the digest of its files.
        make: writes it to a file, by `keep`; may be called twice.
        read: what a file holds; None for what is no such tokenizer.
    """
    if cache is not None:
        try:
            return _tokenizer_in(cache / _TOKENIZERS, made_of, make, read)
        except OSError as error:  # it is read-only, or its disk is full
            _log.warning("what is made of the model's files is not kept, and is made at each load: %s", error)
    with tempfile.TemporaryDirectory(prefix="panope-tokenizer-") as folder:
        return _tokenizer_in(Path(folder), made_of, make, read)


def _tokenizer_in(folder: Path, made_of: str, make: Callable[[Path], None], read: Callable[[Path], T | None]) -> T:
    kept = find_sealed(folder, made_of, _SUFFIX)
    found = None if kept is None else read(kept)
    if found is None:
        made = folder / f"{made_of}{_SUFFIX}"
        make(made)
        kept = seal(made, made_of)
        found = None if kept is None else read(kept)
    if found is None:
        raise InternalError("the model's tokenizer was made and is not there")
    return found


def _sources(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if (
            path.is_file()
            and any(path.match(pattern) for pattern in _SOURCES)
            and not any(path.match(pattern) for pattern in _NOT_SOURCES)
        ):
            yield path
