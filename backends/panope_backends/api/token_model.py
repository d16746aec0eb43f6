"""Models that sample themselves: llama.cpp, a remote server, and the generation core over any `StepModel`.

A request is submitted, its answer comes as deltas, and it ends by itself or is cancelled:

    submit(request)   takes it, or refuses it at once
    deltas(seconds)   gives what all requests have more than before
    cancel(id)        ends it early

Threads. `submit`, `cancel`, `unsupported` and `statistics` are called from any thread at any time, also while another
waits in `deltas`; they never wait for the engine to compute. `deltas` is called from one thread at a time. An engine
may compute inside `deltas` or in threads of its own; what it computes while nobody calls `deltas` it keeps.

Room. A model has `slots`: sequences that it works on at once. There is no queue behind them, because the server has
one, with priorities and deadlines. A request holds `n` slots from `submit` until `deltas` has given its last delta.

Ends. Every submitted request has exactly one last delta, with `usage`; before it each of its sequences has one with a
`finish_reason`. What fails while it runs ends with FinishReason.ERROR, others are unharmed.

Fields. A request that sets a field which the model does not honour is refused by the field's name, never run without
it. `honoured` lists those that are; fields that later versions of Panope add are refused by models that do not know
them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, fields
from typing import Any

from panope_backends.api.conversation import Conversation
from panope_backends.api.generation import GenerationRequest, SamplingParams, TokenDelta
from panope_backends.api.generation_statistics import GenerationStatistics
from panope_backends.api.loaded_model import LoadedModel
from panope_backends.api.source_features import FeatureSpec
from panope_backends.errors import Field, InvalidInputError

_ALWAYS_HONOURED = frozenset({"id", "sampling", "max_tokens", "given"})
#: What a conversation is without, and what is of no meaning without its tools.
_OF_CONVERSATIONS = frozenset({"messages", "tool_choice"})


class TokenModel(LoadedModel):
    """A model that takes prompts and gives tokens or texts."""

    slots: int
    """Sequences at once, at least 1."""

    honoured: frozenset[str]
    """Names of fields of GenerationRequest, SamplingParams and Conversation; one of `prompt`, `prompt_token_ids` and
    `conversation` at least is among them.

    `id` and `max_tokens` are honoured by all.
    """

    vocab_size: int = 0
    """Token ids go from 0 to one less; 0 where tokens are the engine's own business."""

    max_positions: int = 0
    """The most tokens of one sequence, prompt and answer together; 0 when unknown.

    A prompt that an encoder reads is no part of it.
    """

    max_source_length: int = 0
    """The most tokens of a prompt that an encoder reads; 0 for a model without one, or one that reads features."""

    features: FeatureSpec | None = None
    """What an encoder reads in the place of a prompt; None for a model that takes prompts."""

    is_tried: bool = False
    """Whether loading has shown already that it answers, so that nothing need be generated for that."""

    @abstractmethod
    def submit(self, request: GenerationRequest) -> None:
        """Takes a request. Call `require_supported` first.

        Raises:
            InvalidInputError: a field that is not honoured (`field` has its name), an id that is in use, a token id
                that the vocabulary lacks, a prompt that leaves no position for an answer, an `n` above `slots`.
            OverloadedError: fewer than `n` slots are free; nothing was taken.
            PreconditionError: the model is closed.
        """

    @abstractmethod
    def deltas(self, timeout_seconds: float) -> Sequence[TokenDelta]:
        """Gives what the requests have more than before, oldest first.

        It waits for the first delta and gives all that there are by then: a step's worth where steps are made.

        Args:
            timeout_seconds: the longest that it waits; 0 looks once.

        Returns:
            At least one delta, or none when the time is up or the model is closed.
        """

    @abstractmethod
    def cancel(self, request_id: int) -> None:
        """Ends a request at the next step; its last delta comes with FinishReason.CANCELLED.

        Deltas that exist already may come before that. A request that has ended, was cancelled or never was is ignored.
        """

    @abstractmethod
    def close(self) -> None:
        """Frees the device's memory; requests that run are dropped without a last delta, a waiting `deltas` returns.

        It may be called twice.
        """

    def statistics(self) -> GenerationStatistics:
        """What it does now and has done, for metrics. Called from any thread.

        Zeros where the engine does not say: tokens are then counted as its deltas come.
        """
        return GenerationStatistics()

    def unsupported(self, request: GenerationRequest) -> tuple[str, ...]:
        """The names of the fields that the request sets and the model does not honour.

        Engines that honour some values of a field alone extend it.
        """
        allowed = self.honoured | _ALWAYS_HONOURED
        return tuple(name for name in _set_fields(request) if name not in allowed)

    def require_supported(self, request: GenerationRequest) -> None:
        """Refuses a request with fields that the model does not honour.

        Raises:
            InvalidInputError: `field` is the first of them.
        """
        if names := self.unsupported(request):
            listed = [piece for name in names for piece in (", ", Field(name))][1:]
            sentence = ("the model does not support ", *listed)
            raise InvalidInputError(sentence, field=names[0], reason="unsupported_field")


def _set_fields(record: GenerationRequest | SamplingParams | Conversation) -> Iterator[str]:
    """The names of the fields that are not at their defaults."""
    for entry in fields(record):
        value: Any = getattr(record, entry.name)
        if isinstance(value, SamplingParams):
            yield from _set_fields(value)
        elif isinstance(value, Conversation):
            yield entry.name
            yield from (name for name in _set_fields(value) if name not in _OF_CONVERSATIONS)
        elif value != (entry.default_factory() if entry.default_factory is not MISSING else entry.default):
            yield entry.name
