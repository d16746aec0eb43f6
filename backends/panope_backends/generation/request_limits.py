"""What sampling and texts ask of a request, checked before it is taken."""

from __future__ import annotations

from collections.abc import Iterable

from panope_backends.api import GenerationRequest
from panope_backends.errors import Field, InvalidInputError

MOST_LOGPROBS = 20
"""As OpenAI and vLLM allow: each has a text and a number in each answer's every delta."""

MOST_NGRAM_TOKENS = 64
"""Of a run that comes once only: as many are kept for each token of prompt and answer, and models ask for 2 to 20."""

MOST_DRAFT_TOKENS = 16
MOST_LOOKUP_TOKENS = 8
"""Of a guess, and of what is looked for to find one: each is looked for in all of the sequence, in every step."""

MOST_STOP_CHARACTERS = 32_768
"""Of all stop texts together; each costs some 250 bytes while the request runs."""


def require_sensible(request: GenerationRequest, vocab_size: int) -> None:
    """Refuses values that no answer could honour.

    Raises:
        InvalidInputError: `field` names what is wrong.
    """
    _require_token_ids("logit_bias", request.sampling.logit_bias, vocab_size)
    for name in ("stop_token_ids", "forced_eos_token_ids"):
        _require_token_ids(name, getattr(request, name), vocab_size)
    if (rules := request.token_rules) is not None:
        stamps = () if rules.timestamps is None else (rules.timestamps.first_id, rules.timestamps.eos_id)
        _require_token_ids(
            "token_rules", (*rules.suppressed, *rules.suppressed_first, *rules.allowed, *stamps), vocab_size
        )
    for name in ("logprobs", "prompt_logprobs"):
        _require_at_most(name, getattr(request, name) or 0, MOST_LOGPROBS)
    for name, value, limit in (
        ("no_repeat_ngram_size", request.sampling.no_repeat_ngram_size, MOST_NGRAM_TOKENS),
        ("lookup_tokens", request.lookup_tokens or 0, MOST_DRAFT_TOKENS),
        ("lookup_max_ngram", request.lookup_max_ngram, MOST_LOOKUP_TOKENS),
    ):
        _require_at_most(name, value, limit)
    if request.max_tokens is not None and request.min_tokens > request.max_tokens:
        raise InvalidInputError.at("min_tokens", "{field} is above {other}", other=Field("max_tokens"))
    characters = sum(map(len, request.stop))
    if characters > MOST_STOP_CHARACTERS:
        raise InvalidInputError.at(
            "stop",
            "{field} has {count:,} characters together; the limit is {limit:,}",
            count=characters,
            limit=MOST_STOP_CHARACTERS,
        )
    if request.grammar is not None and request.ignore_eos:
        raise InvalidInputError.at(
            "ignore_eos", "{field} does not go with {other}, which says where an answer ends", other=Field("grammar")
        )


def _require_token_ids(name: str, token_ids: Iterable[int], vocab_size: int) -> None:
    if not all(0 <= token_id < vocab_size for token_id in token_ids):
        raise InvalidInputError.at(
            name, "{field} has ids from 0 to {last:,}, as the vocabulary does", last=vocab_size - 1
        )


def _require_at_most(name: str, value: int, limit: int) -> None:
    if value > limit:
        raise InvalidInputError.at(name, "{field} is at most {limit}", limit=limit)
