"""Requests that run and their answers, each a sequence of tokens."""

from __future__ import annotations

from dataclasses import dataclass, field

from panope_backends.api import GenerationRequest, TokenLogprobs
from panope_backends.generation.decoding import AnswerState
from panope_backends.generation.drafter import Drafter
from panope_backends.generation.scheduling.block_table import BlockTable


@dataclass(eq=False, slots=True)
class Sequence:
    """One answer: prompt and answer as tokens, and what of them the cache holds.

    Attributes:
        request: that it answers.
        index: of the answer, from 0.
        state: draws its tokens and makes text of them; it outlives pre-emption.
        rank: of all sequences that could go on, the one with the lowest rank does.
        tokens: prompt and answer so far.
        drafter: guesses its next tokens; None where nothing is guessed.
        table: its blocks; empty while it waits.
        computed: tokens that the cache holds, from the start.
        chain: the keys of its full blocks, as far as they were needed.
        named_blocks: of its table, those whose content is known to others.
        alone_until: runs in steps of its own until so many tokens are computed, because a step failed with it; 0 for
            any other.
        last_step: the number of the last step that it was in.
    """

    request: ActiveRequest
    index: int
    state: AnswerState
    rank: tuple[int, int, int]
    tokens: list[int]
    drafter: Drafter | None = None
    table: BlockTable = field(default_factory=BlockTable)
    computed: int = 0
    chain: list[bytes] = field(default_factory=list)
    named_blocks: int = 0
    alone_until: int = 0
    has_ended: bool = False
    last_step: int = 0

    @property
    def priority_class(self) -> int:
        """-1 for high priority, 0 for normal, 1 for low: as in ranks, what is lower comes first."""
        return (self.rank[0] > 0) - (self.rank[0] < 0)

    @property
    def remaining(self) -> int:
        """Tokens to compute before the next can be drawn."""
        return len(self.tokens) - self.computed

    @property
    def answer_length(self) -> int:
        """Tokens of the answer so far."""
        return len(self.tokens) - self.request.prompt_length

    @property
    def reusable_tokens(self) -> int:
        """How many of its first tokens need no computing where the cache holds them.

        The last token is computed in any case, and so is each whose logits tell a log-probability of the prompt.
        """
        last = len(self.tokens) - 1
        return min(last, self.request.scored) if self.request.is_scoring else last


@dataclass(eq=False, slots=True)
class ActiveRequest:
    """A request from `submit` to its last delta.

    Attributes:
        given: the request itself.
        limit: the most tokens of an answer.
        sequences: its answers. Only the first runs until the prompt is computed; then all draw their first token.
        is_forked: whether they have.
        open: answers without an end.
        completion_tokens: of all answers so far.
        cached_tokens: of the prompt, found computed when it was started first; None before.
        prompt_logprobs: those that no delta has had yet.
        scored: the first position whose log-probabilities are not known yet, where the prompt's are asked for.
        source: where an encoder-decoder keeps what its encoder read; None before that, and at any other model.
        unread_tokens: that its encoder is still to read.
        adapter: the number of the adapter that its sequences are run with; 0 for none.
        image_prompt: the number under which the model keeps its images; None before it is told of them.
        read_images: those of its images, by index, that the model has read.
    """

    given: GenerationRequest
    limit: int
    sequences: list[Sequence] = field(default_factory=list)
    is_forked: bool = False
    open: int = 0
    completion_tokens: int = 0
    cached_tokens: int | None = None
    prompt_logprobs: list[TokenLogprobs] = field(default_factory=list)
    scored: int = 0
    source: int | None = None
    unread_tokens: int = 0
    adapter: int = 0
    image_prompt: int | None = None
    read_images: set[int] = field(default_factory=set)

    @property
    def prompt_length(self) -> int:
        """Tokens before an answer: the prompt's, or what an encoder-decoder's decoder starts with."""
        return len(self.given.context_token_ids)

    @property
    def cache_origin(self) -> bytes:
        """What the contents of its blocks depend on beside the model and the tokens, the adapter, and the salt.

        No salt passes for an adapter, because no adapter's name has a NUL in it.
        """
        given = self.given
        if not given.adapter and not given.cache_salt:
            return b""
        return f"{given.adapter}\0{given.cache_salt}".encode("utf-8", "surrogatepass")

    @property
    def is_scoring(self) -> bool:
        """Whether log-probabilities of the prompt are missing; the logits of its last token tell none."""
        return self.given.prompt_logprobs is not None and self.scored < self.prompt_length - 1

    def unread_images(self, begin: int, end: int) -> list[int]:
        """The images, by index, that are not read and have a place between two positions."""
        return [
            index
            for index, image in enumerate(self.given.images)
            if index not in self.read_images and image.begin < end and image.end > begin
        ]

    def drawing(self, sequence: Sequence) -> list[Sequence]:
        """The answers that draw a token when `sequence` does: all of them the first time."""
        return [sequence] if self.is_forked else self.sequences
