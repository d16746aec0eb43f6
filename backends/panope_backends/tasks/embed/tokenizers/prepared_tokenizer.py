"""Where a model's prepared tokenizer comes from: the model's folder, a cache, or the program that makes it."""

from __future__ import annotations

import sys
from pathlib import Path

from panope_backends.tasks.embed.files.embed_files import EmbedFiles
from panope_backends.tasks.embed.tokenizers.prepared import FILE, PreparedTokenizer, find_prepared, sources_digest
from panope_backends.tasks.embed.tokenizers.static_tokenizer import prepare_static
from panope_backends.tasks.kept_files import keep, tokenizer_in
from panope_backends.tasks.tokenizer_program import Job, run_program


def prepared_tokenizer(folder: Path, files: EmbedFiles, cache: Path | None) -> PreparedTokenizer:
    """The tokenizer that came with a model, or was made of the same files before, or is made now.

    Args:
        folder: of the model.
        files: what it says.
        cache: where to keep what is made; None for nowhere.

    Raises:
        PreconditionError: transformers is needed and not installed, or the files ask for what Panope cannot do.
    """
    made_of = sources_digest(files)
    for place in dict.fromkeys((folder, files.transformer_folder)):  # a route has its own in its encoder's folder
        if (found := find_prepared(place / FILE, made_of)) is not None:
            return found
    return tokenizer_in(
        cache, made_of, lambda file: _make(folder, files, file), lambda file: find_prepared(file, made_of)
    )


def _make(folder: Path, files: EmbedFiles, file: Path) -> None:
    if files.is_static:  # which needs no transformers
        keep(prepare_static(files), file)
    elif "transformers" in sys.modules:  # the engine has paid for the import
        from panope_backends.tasks.embed.tokenizers.preparing import prepare_tokenizer

        keep(prepare_tokenizer(files), file)
    else:
        run_program(Job(_task(files), str(folder), str(file), str(files.transformer_folder.relative_to(folder))))


def _task(files: EmbedFiles) -> str:
    """A task whose tokenizers are made in the same way."""
    if files.marks:
        return "question-answer" if files.pairs else "fill-mask"
    return "classify" if files.pairs else "embed"
