"""The body of POST /v1/completions."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Raw

from panope_server.transport.rest.generation.fields import GenerationFields
from panope_server.transport.rest.generation.refused import REFUSED
from panope_server.transport.rest.json.refusals import Refusal, Refusals


class CompletionBody(GenerationFields, forbid_unknown_fields=True, kw_only=True):
    """POST /v1/completions.

    Attributes:
        prompt: A text, texts, token ids, or lists of token ids of the model's own.
        max_tokens: The most tokens of one answer. Default: 16; 0 with `echo` alone, which tells of the prompt.
        logprobs: How many likeliest tokens are told beside each token.
        echo: Whether each answer starts with its prompt, of which `logprobs` tells too.
        add_special_tokens: Whether the model's own special tokens are put around a text. Default: true.
        suffix: What comes behind the answer, which fills in what is between it and the prompt. Refused for models whose
            tokenizer has no tokens for it.
    """

    prompt: Raw
    logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    echo: bool | None = None
    add_special_tokens: bool | None = None
    suffix: str | None = None


REFUSALS = Refusals(
    {
        **REFUSED,
        "prompt_embeds": Refusal("is refused: send texts or token ids"),
    }
)
