"""A model's tokenizer as transformers makes it of the model's files, kept in one file.

transformers changes a tokenizer while it loads it: it builds some again from their vocabulary, and lays settings of
tokenizer_config.json, special_tokens_map.json and sentence-transformers' files over others. So the tokenizer is made
once by transformers itself (`preparing`), when the model is converted or first loaded, and workers read what was made.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from panope_backends.tasks.embed.config_files import EmbedFiles

Side = Literal["left", "right"]

#: Among the files of a converted model, or in a server's cache.
FILE = "panope_tokenizer.json"

#: Changes when `preparing` would make something else of the same files.
RECIPE = 1

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
_NOT_SOURCES = ("*.index.json", FILE)


class PreparedTokenizer(msgspec.Struct, frozen=True):
    """A tokenizer and what goes with it.

    Attributes:
        made_of: the digest of the model's files; see `sources_digest`.
        made_by: the version of transformers.
        tokenizer: as the library `tokenizers` serialises it.
        pad_id: the id that fills short texts up.
        padding_side: where they are filled up.
        special_ids: ids that are no part of a text.
        splits_special_tokens: whether the names of special tokens in texts are text.
        gives_token_types: whether the model is given token types.
        max_tokens: of one text, special tokens included; None when nothing sets a limit.
    """

    made_of: str
    made_by: str
    tokenizer: msgspec.Raw
    pad_id: int
    padding_side: Side
    special_ids: list[int]
    splits_special_tokens: bool
    gives_token_types: bool
    max_tokens: int | None


def sources_digest(files: EmbedFiles) -> str:
    """The digest of all files of a model that a tokenizer may be made of, by their names and contents."""
    whole = hashlib.sha256(f"{RECIPE}\n{files.tokenizer}\n".encode())
    for path in sorted(_sources(files.transformer_folder)):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        whole.update(f"{path.name}\n{content}\n".encode())
    return whole.hexdigest()


def find_prepared(path: Path, made_of: str) -> PreparedTokenizer | None:
    """What was prepared before of the same files; None where nothing was, or what is there is broken."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=PreparedTokenizer)
    except (OSError, msgspec.DecodeError):
        return None
    return found if found.made_of == made_of else None


def keep_prepared(prepared: PreparedTokenizer, path: Path) -> None:
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


def _sources(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if (
            path.is_file()
            and any(path.match(pattern) for pattern in _SOURCES)
            and not any(path.match(pattern) for pattern in _NOT_SOURCES)
        ):
            yield path
