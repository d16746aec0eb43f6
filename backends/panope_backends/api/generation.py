"""What is asked of a model that generates, and what it answers piece by piece.

Each field says what leaves it out: a model that does not honour a field refuses requests that set it to anything else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from panope_backends.api.conversation import Conversation, ToolCallDelta
from panope_backends.api.source_features import SourceFeatures
from panope_backends.api.step_models.alignable_model import Head
from panope_backends.api.step_models.prompt_image import PromptImage
from panope_backends.api.token_rules import TokenRules
from panope_backends.errors import InvalidInputError, PanopeError

if TYPE_CHECKING:
    import numpy as np


class GrammarKind(StrEnum):
    """The language in which a grammar is written."""

    JSON_OBJECT = "json_object"
    """Any JSON object; the source is empty."""
    JSON_SCHEMA = "json_schema"
    REGEX = "regex"
    LARK = "lark"


@dataclass(frozen=True, slots=True)
class Grammar:
    """What the whole answer must match."""

    kind: GrammarKind
    source: str = ""


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How each next token is drawn.

    Attributes:
        temperature: divides the logits; 0 takes the likeliest token. Default: 1.
        top_k: only the likeliest so many; 0 for all.
        top_p: only the likeliest that together have this probability, in (0, 1]; 1 for all.
        min_p: only those with this part of the likeliest's probability, in [0, 1]; 0 for all.
        repetition_penalty: divides positive logits, and multiplies negative ones, of all tokens of prompt and answer so
            far; 1 for none.
        presence_penalty: taken off the logits of tokens that the answer has; 0 for none.
        frequency_penalty: taken off once for each time that the answer has the token; 0 for none.
        logit_bias: added to the logits, by token id.
        no_repeat_ngram_size: tokens of a run that prompt and answer have once only; 0 for runs of any length.
        seed: draws the same tokens each time, whatever runs beside it, as far as the logits are the same; None draws
            others each time.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    no_repeat_ngram_size: int = 0
    seed: int | None = None

    def __post_init__(self) -> None:
        _require(is_finite(self.temperature) and self.temperature >= 0, "temperature", "must be at least 0")
        _require(self.top_k >= 0, "top_k", "must be at least 0")
        _require(0 < self.top_p <= 1, "top_p", "must be above 0 and at most 1")
        _require(0 <= self.min_p <= 1, "min_p", "must be from 0 to 1")
        _require(
            is_finite(self.repetition_penalty) and self.repetition_penalty > 0,
            "repetition_penalty",
            "must be above 0",
        )
        _require(self.no_repeat_ngram_size >= 0, "no_repeat_ngram_size", "must be at least 0")
        for name in ("presence_penalty", "frequency_penalty"):
            _require(is_finite(getattr(self, name)), name, "must be a finite number")
        _require(all(map(is_finite, self.logit_bias.values())), "logit_bias", "must have finite numbers")


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One prompt to continue, `n` times.

    Attributes:
        id: the caller's number for it, of no other request that runs at this model.
        prompt_token_ids: the prompt as tokens, special ones included; empty when there is another prompt.
        prompt: the prompt as text, for models that tokenize themselves; empty when there is another prompt.
        sampling: how each next token is drawn.
        max_tokens: the most tokens of an answer, at least 1; None for as many as the model has positions for.
        min_tokens: before which no stop ends an answer; 0 for none.
        n: answers, each a sequence of its own; they draw differently even where a seed is given.
        stop: texts that end an answer, also across the borders of tokens.
        stop_token_ids: tokens that end an answer, beside the model's own.
        include_stop: whether the answer's text keeps the stop that ended it.
        ignore_eos: whether the model's own end-of-sequence token does not end an answer.
        forced_eos_token_ids: one of them is the last token of an answer that has `max_tokens`, unless `ignore_eos` or a
            grammar says otherwise; empty for any token.
        skip_special_tokens: whether special tokens have no text. Default: True.
        logprobs: how many likeliest tokens are told beside each token of the answer; 0 for the token itself alone, None
            for no log-probabilities.
        prompt_logprobs: as `logprobs`, for the prompt's tokens.
        grammar: what the answer must match; None for anything.
        priority: requests with a higher one come first where the model must choose.
        cache_salt: only requests of an equal one share what is computed of equal prompts, so that nobody learns from
            the time to a first token what others have asked; empty for those that share.
        lookup_tokens: how many next tokens are guessed from prompt and answer so far; 0 for none, None for as many as
            the model is set to guess. Answers are the same.
        lookup_max_ngram: the most last tokens that are looked for to find a guess, at least 1.
        decoder_token_ids: of an encoder-decoder, the tokens that its answers go on from; its encoder reads the prompt.
            Empty for any other model.
        features: of audio, which the encoder reads in the place of a prompt; None for a prompt.
        token_rules: which tokens may stand where; None for any anywhere.
        given: the fields of `sampling` that the caller has set, at their defaults perhaps: engines that have defaults
            of their own leave the others to those. It is nothing to honour.
        conversation: in place of a prompt, for models that make their prompts of conversations themselves.
        adapter: what names the content of the adapter that it is run with, such as a digest; empty for none.
        images: that stand in the prompt's tokens, in the order of their places; empty for none.
        alignment_heads: of an encoder-decoder, whose attention to the source is told with an answer's last delta; empty
            for none.
    """

    id: int
    prompt_token_ids: tuple[int, ...] = ()
    prompt: str = ""
    sampling: SamplingParams = field(default_factory=SamplingParams)
    max_tokens: int | None = None
    min_tokens: int = 0
    n: int = 1
    stop: tuple[str, ...] = ()
    stop_token_ids: tuple[int, ...] = ()
    include_stop: bool = False
    ignore_eos: bool = False
    forced_eos_token_ids: tuple[int, ...] = ()
    skip_special_tokens: bool = True
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    grammar: Grammar | None = None
    priority: int = 0
    cache_salt: str = ""
    lookup_tokens: int | None = None
    lookup_max_ngram: int = 3
    decoder_token_ids: tuple[int, ...] = ()
    features: SourceFeatures | None = None
    token_rules: TokenRules | None = None
    given: frozenset[str] = frozenset()
    conversation: Conversation | None = None
    adapter: str = ""
    images: tuple[PromptImage, ...] = ()
    alignment_heads: tuple[Head, ...] = ()

    @property
    def context_token_ids(self) -> tuple[int, ...]:
        """The tokens that answers go on from: the prompt, or what a decoder starts with beside its encoder."""
        return self.decoder_token_ids or self.prompt_token_ids

    def __post_init__(self) -> None:
        texts = (bool(self.prompt_token_ids), bool(self.prompt), self.conversation is not None)
        prompts = (*texts, self.features is not None)
        _require(sum(prompts) == 1, "prompt", "must be either a text, token ids or a conversation, and not empty")
        _require(self.max_tokens is None or self.max_tokens >= 1, "max_tokens", "must be at least 1")
        _require(self.min_tokens >= 0, "min_tokens", "must be at least 0")
        _require(self.n >= 1, "n", "must be at least 1")
        _require(all(self.stop), "stop", "must have no empty text")
        for name in ("logprobs", "prompt_logprobs", "lookup_tokens"):
            _require((getattr(self, name) or 0) >= 0, name, "must be at least 0")
        _require(self.lookup_max_ngram >= 1, "lookup_max_ngram", "must be at least 1")


class FinishReason(StrEnum):
    """Why a sequence ended."""

    STOP = "stop"
    """The model's end-of-sequence token, a stop text or a stop token."""
    LENGTH = "length"
    """`max_tokens`, or the last position that the model has."""
    CANCELLED = "cancelled"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Logprob:
    """A token and the logarithm of its probability, before sampling's settings.

    Attributes:
        token_id: -1 where an engine tells texts alone.
        text: UTF-8, and a part of a character where the token is one.
        logprob: natural, at most 0.
    """

    token_id: int
    text: bytes
    logprob: float


@dataclass(frozen=True, slots=True)
class TokenLogprobs:
    """The log-probabilities at one position.

    Attributes:
        chosen: the token that stands there.
        top: the likeliest, likeliest first, as many as were asked for; the chosen one may be among them.
    """

    chosen: Logprob
    top: tuple[Logprob, ...] = ()


@dataclass(frozen=True, slots=True)
class GenerationUsage:
    """What a request took.

    Attributes:
        prompt_tokens: of the prompt, once.
        completion_tokens: of all answers together, the tokens that ended them included.
        cached_tokens: of the prompt, those that were found computed already.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class TokenDelta:
    """What one sequence has more than before; the deltas of a sequence come in order.

    Attributes:
        request_id: of the request.
        index: of the answer, from 0 to `n - 1`.
        token_ids: the new tokens, the one that ends the answer included; empty where an engine tells texts alone.
        text: what the answer's text has more: whole characters, nothing that a stop text may still take away.
        logprobs: one for each new token, when asked for.
        prompt_logprobs: with the first delta of the first answer, when asked for: one for each token of the prompt but
            the first, which has none.
        finish_reason: of a sequence's last delta; None for any other.
        stop_reason: the stop text or stop token that ended it; None where the model's own token did, or no stop.
        usage: of the request's last delta; None for any other. Nothing of a request follows it.
        error: why it ended, where `finish_reason` is ERROR.
        reasoning: what the model's reasoning has more, told apart by engines that take conversations.
        tool_calls: what its tool calls have more, of those engines too.
        source_attention: with a sequence's last delta, where `alignment_heads` are given and it did not fail: float32,
            heads × tokens of the answer but the last, which was never the decoder's input × states of the source.
    """

    request_id: int
    index: int = 0
    token_ids: tuple[int, ...] = ()
    text: str = ""
    logprobs: tuple[TokenLogprobs, ...] = ()
    prompt_logprobs: tuple[TokenLogprobs, ...] = ()
    finish_reason: FinishReason | None = None
    stop_reason: str | int | None = None
    usage: GenerationUsage | None = None
    error: PanopeError | None = None
    reasoning: str = ""
    tool_calls: tuple[ToolCallDelta, ...] = ()
    source_attention: np.ndarray[Any, Any] | None = field(default=None, compare=False)


def is_finite(value: float) -> bool:
    """Whether a number is one that floating point has; whole numbers can be larger than any."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _require(holds: bool, name: str, rule: str) -> None:
    if not holds:
        raise InvalidInputError.at(name, f"{{field}} {rule}")
