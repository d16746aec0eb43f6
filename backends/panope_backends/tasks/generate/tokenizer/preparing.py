"""Makes a model's tokenizer by transformers, with its chat templates, and proves its serialised form.

Needs transformers, and torch for nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from panope_backends.errors import PreconditionError
from panope_backends.tasks.generate.tokenizer.languages import language_pair_of, languages_of, target_codes_of
from panope_backends.tasks.generate.tokenizer.prepared import PreparedChatTokenizer, sources_digest
from panope_backends.tasks.generate.tokenizer.sentence_pieces import PieceTokenizer
from panope_backends.tasks.generate.tokenizer.text_encoder import TextEncoder
from panope_backends.tasks.json_files import read_json
from panope_backends.tasks.probing import PROBING_TEXTS
from panope_backends.tasks.tokenizer_making import (
    fast_tokenizer,
    has_vocabulary,
    import_transformers,
    made_tokenizer,
    quiet,
    serialised,
)


def prepare_chat_tokenizer(folder: Path) -> PreparedChatTokenizer:
    """Makes and proves it.

    Raises:
        PreconditionError: a file is missing or broken, or asks for code of the model's own; the message names it.
    """
    if not has_vocabulary(folder):
        raise PreconditionError("the model has no tokenizer.json, and no vocabulary to make a tokenizer of")
    if read_json(folder / "tokenizer_config.json", missing_ok=True).get("auto_map"):
        raise PreconditionError("tokenizer_config.json asks for a tokenizer of the repo's own code (`auto_map`)")
    transformers = import_transformers()
    made = made_tokenizer(transformers, folder, {})
    if hasattr(made, "set_src_lang_special_tokens"):
        made.set_src_lang_special_tokens(made.src_lang)  # SeamlessM4T's is made to write answers
    pieces = PieceTokenizer.of(made)
    prepared = PreparedChatTokenizer(
        made_of=sources_digest(folder),
        made_by=transformers.__version__,
        tokenizer=msgspec.Raw((pieces.of_answers() if pieces else serialised(fast_tokenizer(made))).encode()),
        splits_special_tokens=bool(made.split_special_tokens),
        special_tokens=dict(made.special_tokens_map),
        chat_templates=_chat_templates(made),
        languages=languages_of(made),
        target_codes=target_codes_of(made),
        language_pair=language_pair_of(made),
        source=pieces.of_sources() if pieces else None,
    )
    with quiet(transformers):
        _prove(made, TextEncoder(prepared))
        if pieces:
            pieces.prove(TextEncoder(prepared))
    return prepared


def _chat_templates(made: Any) -> dict[str, str]:
    found = made.chat_template
    if isinstance(found, str):
        return {"default": found}
    return dict(found or {})


def _prove(made: Any, ours: TextEncoder) -> None:
    """Compares ids of probing texts with transformers' own.

    Raises:
        PreconditionError: some differ.
    """
    for text in (*PROBING_TEXTS, *(f"a {token} b{token}" for token in made.all_special_tokens)):
        for special in (True, False):
            theirs = made(text, add_special_tokens=special)["input_ids"]
            if ours.encode(text, add_special_tokens=special) != theirs:
                raise PreconditionError(
                    f"the tokenizer {type(made).__name__} gives other ids in its serialised form than in transformers"
                )
