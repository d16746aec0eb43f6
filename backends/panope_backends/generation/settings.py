"""How much the core does at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GenerationSettings:
    """The settings of one model's generation.

    Attributes:
        slots: sequences at once, at least 1.
        step_tokens: tokens that a step computes while others wait for their next token; prompts are split into chunks
            that fit. A step has room for one token of every sequence in any case.
        max_step_tokens: what that may grow to: fully while nobody waits for a next token, and with the length of the
            prompts that wait. Longer steps compute more tokens a second and let everybody wait longer for each.
        max_step_seconds: what a step should take at most: on a device that is slow for the numbers above it has fewer
            tokens, though at least 64.
        draft_tokens: how many next tokens of a sequence are guessed by prompt look-up and computed with the last one; 0
            for none. Answers are the same; steps cost more, and fewer are needed where answers repeat what was before.
            A request's own number counts first.
        prefix_cache: whether sequences that begin alike share what is computed.
        cache_key: of the model's files: what the content of each block depends on beside the tokens.
        decoder_token_ids: what the answers of an encoder-decoder go on from, where a request does not say.
    """

    slots: int = 32
    step_tokens: int = 512
    max_step_tokens: int = 2048
    max_step_seconds: float = 1.0
    draft_tokens: int = 0
    prefix_cache: bool = True
    cache_key: bytes = b""
    decoder_token_ids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.slots < 1 or self.step_tokens < 1 or self.max_step_tokens < self.step_tokens:
            raise ValueError("`slots` and `step_tokens` are at least 1, `max_step_tokens` at least `step_tokens`")
        if self.max_step_seconds <= 0 or self.draft_tokens < 0:
            raise ValueError("`max_step_seconds` is above 0, `draft_tokens` at least 0")
