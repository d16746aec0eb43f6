"""The tokenizer of a StaticEmbedding module: tokenizer.json as the library `tokenizers` reads it, and nothing else.

sentence-transformers gives such models no special tokens, so the rules that add them are taken out here. A length that
tokenizer.json fixes cuts texts there too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
from tokenizers import Tokenizer

from panope_backends.errors import PreconditionError
from panope_backends.tasks.embed.files.embed_files import EmbedFiles
from panope_backends.tasks.embed.tokenizers.prepared import PreparedTokenizer, sources_digest

NAME = "tokenizer.json"


def prepare_static(files: EmbedFiles) -> PreparedTokenizer:
    """Makes it.

    Raises:
        PreconditionError: tokenizer.json is missing, is no tokenizer, or cuts texts in a way that is not followed.
    """
    tokenizer = _read(files.transformer_folder / NAME)
    limit = _limit(tokenizer.truncation)
    return PreparedTokenizer(
        made_of=sources_digest(files),
        made_by="tokenizers",
        tokenizer=msgspec.Raw(without_special(tokenizer.to_str()).encode()),
        pad_id=0,
        padding_side="right",
        special_ids=[],
        splits_special_tokens=False,
        gives_token_types=False,
        max_tokens=limit,
    )


def without_special(document: str) -> str:
    """A tokenizer of the library's that adds no special tokens, and cuts and fills up no text.

    Args:
        document: as it serialises it.
    """
    content: dict[str, Any] = json.loads(document)
    return json.dumps(content | {"post_processor": None, "truncation": None, "padding": None})


def _read(path: Path) -> Tokenizer:
    if not path.is_file():
        raise PreconditionError(f"the module StaticEmbedding has no {NAME}")
    try:
        return Tokenizer.from_file(str(path))
    except Exception:  # the library raises nothing narrower
        raise PreconditionError(f"{NAME} of the module StaticEmbedding is no tokenizer") from None


def _limit(truncation: Any) -> int | None:
    """The tokens that tokenizer.json cuts texts to; None when it does not cut them."""
    if not truncation:
        return None
    limit = truncation.get("max_length")
    if not isinstance(limit, int) or limit < 1:
        raise PreconditionError(f"{NAME} of the module StaticEmbedding sets `truncation` to no length")
    return limit
