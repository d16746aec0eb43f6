"""The languages of tokenizers of transformers that are told which one a text is in, as mBART's and NLLB's."""

from __future__ import annotations

import sys
from typing import Any

from panope_backends.errors import PreconditionError
from panope_backends.tasks.generate.prepared import LanguageTokens

_TEXT = "a"


def languages_of(made: Any) -> dict[str, LanguageTokens]:
    """All languages of a tokenizer; empty for one that is told none.

    Raises:
        PreconditionError: it puts special tokens elsewhere than around a text.
    """
    if not hasattr(made, "set_src_lang_special_tokens"):
        return {}
    usual = made.src_lang
    body = made(_TEXT, add_special_tokens=False)["input_ids"]
    found: dict[str, LanguageTokens] = {}
    for code in getattr(sys.modules[type(made).__module__], "FAIRSEQ_LANGUAGE_CODES", ()):
        token_id = made.convert_tokens_to_ids(code)
        if token_id is None or token_id == made.unk_token_id:
            continue
        made.src_lang = code
        prefix, suffix = around(made(_TEXT)["input_ids"], body)
        found[code] = LanguageTokens(prefix, suffix, int(token_id))
    made.src_lang = usual
    return found


def around(whole: list[int], body: list[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The special tokens before and behind a text.

    Args:
        whole: ids with special tokens.
        body: ids of the same text without.

    Raises:
        PreconditionError: they are not around it.
    """
    for begin in range(len(whole) - len(body) + 1):
        if whole[begin : begin + len(body)] == body:
            return tuple(whole[:begin]), tuple(whole[begin + len(body) :])
    raise PreconditionError("the tokenizer puts special tokens elsewhere than around a text")
