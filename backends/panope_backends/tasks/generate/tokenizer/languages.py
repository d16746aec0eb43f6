"""The languages that tokenizers of transformers are told, as mBART's, NLLB's, M2M-100's and Marian's are."""

from __future__ import annotations

import re
import sys
from typing import Any

from panope_backends.errors import PreconditionError
from panope_backends.tasks.generate.tokenizer.prepared import LanguageTokens

_TEXT = "a"
_MARKED = re.compile(r"__(\w+)__")


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
    # M2M-100's tokens are named otherwise than its languages, and SeamlessM4T's.
    own: Any = getattr(made, "lang_code_to_id", None) or _marked(made)
    for code in own or getattr(sys.modules[type(made).__module__], "FAIRSEQ_LANGUAGE_CODES", ()):
        token_id = own[code] if own else made.convert_tokens_to_ids(code)
        if token_id is None or token_id == made.unk_token_id:
            continue
        made.src_lang = code
        prefix, suffix = around(made(_TEXT)["input_ids"], body)
        found[code] = LanguageTokens(prefix, suffix, int(token_id))
    made.src_lang = usual
    return found


def _marked(made: Any) -> dict[str, int]:
    """The languages whose tokens have two strokes on either side, as `__eng__`; empty where the source's has none."""
    found = {token: _MARKED.fullmatch(token) for token in (made.src_lang, *made.all_special_tokens) if token}
    if not found.get(made.src_lang):
        return {}
    return {match[1]: int(made.convert_tokens_to_ids(token)) for token, match in found.items() if match}


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


def target_codes_of(made: Any) -> dict[str, int]:
    """The tokens by which Marian is told the language of an answer, by its name: `fra` for `>>fra<<`."""
    return {code[2:-2]: int(made.encoder[code]) for code in getattr(made, "supported_language_codes", ())}


def language_pair_of(made: Any) -> tuple[str, str] | None:
    """The languages that a Marian's files name, for those that have one of each."""
    source, target = getattr(made, "source_lang", None), getattr(made, "target_lang", None)
    return (str(source), str(target)) if source and target else None
