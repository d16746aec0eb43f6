"""How the texts of a model become tokens, for tasks that its folder says nothing else of."""

from __future__ import annotations

from pathlib import Path

from panope_backends.tasks.embed.files.embed_files import EmbedFiles
from panope_backends.tasks.embed.tokenizers.prepared_tokenizer import prepared_tokenizer
from panope_backends.tasks.embed.tokenizers.tokenizer import TextTokenizer
from panope_backends.tasks.json_files import read_json
from panope_backends.tasks.task import ModelSource

#: Each with whether it reads two texts together.
_PAIRS = {"question-answer": True, "fill-mask": False}

READS = tuple(_PAIRS)
"""Tasks of models that read texts with marks in them."""


def read_text_files(folder: Path, task: str) -> EmbedFiles:
    """Reads a model's folder.

    Args:
        folder: of the model.
        task: one of `READS`.

    Raises:
        PreconditionError: config.json is missing or broken.
    """
    return EmbedFiles(folder, read_json(folder / "config.json"), pairs=_PAIRS[task], marks=True)


def load_tokenizer(files: EmbedFiles, source: ModelSource) -> tuple[TextTokenizer, int]:
    """The tokenizer of a model that is loaded, and the most tokens of a text."""
    # After the model: an engine that has imported transformers by now saves a process.
    prepared = prepared_tokenizer(source.folder, files, source.cache_folder)
    return TextTokenizer(prepared), prepared.max_tokens or source.max_batch_tokens
