"""Where a model's prepared tokenizer comes from: the model's folder, a cache, or the program that makes it."""

from __future__ import annotations

import sys
from pathlib import Path

from panope_backends.tasks.generate.tokenizer.prepared import FILE, PreparedChatTokenizer, sources_digest
from panope_backends.tasks.kept_files import keep, read_kept, tokenizer_in
from panope_backends.tasks.tokenizer_program import Job, run_program


def prepared_tokenizer(folder: Path, cache: Path | None) -> PreparedChatTokenizer:
    """The tokenizer that came with a model, or was made of the same files before, or is made now.

    Args:
        folder: of the model.
        cache: where to keep what is made; None for nowhere.

    Raises:
        PreconditionError: transformers is needed and not installed, or the files ask for what Panope cannot do.
    """
    made_of = sources_digest(folder)
    if (found := _kept(folder / FILE, made_of)) is not None:
        return found
    return tokenizer_in(cache, made_of, lambda file: _make(folder, file), lambda file: _kept(file, made_of))


def _kept(path: Path, made_of: str) -> PreparedChatTokenizer | None:
    found = read_kept(path, PreparedChatTokenizer)
    return found if found is not None and found.made_of == made_of else None


def _make(folder: Path, file: Path) -> None:
    if "transformers" in sys.modules:  # the engine has paid for the import
        from panope_backends.tasks.generate.tokenizer.preparing import prepare_chat_tokenizer

        keep(prepare_chat_tokenizer(folder), file)
    else:
        run_program(Job("generate", str(folder), str(file)))
