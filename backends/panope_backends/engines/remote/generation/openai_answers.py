"""The events of OpenAI's API, of completions and of chats, as deltas; whoever sends them may send anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from panope_backends.api import (
    FinishReason,
    GenerationRequest,
    GenerationUsage,
    Logprob,
    TokenDelta,
    TokenLogprobs,
    ToolCallDelta,
)
from panope_backends.engines.remote.decoding import Count, checked_logprob, decoded, require_no_error
from panope_backends.engines.remote.generation.openai_logprobs import ChatLogprobs, CompletionLogprobs
from panope_backends.engines.remote.refusals import no_answer
from panope_backends.errors import PreconditionError

_DONE = b"[DONE]"

_Index = Annotated[int, Meta(ge=0, lt=1 << 10)]

_FINISHES = {
    "stop": FinishReason.STOP,
    "tool_calls": FinishReason.STOP,
    "function_call": FinishReason.STOP,
    "length": FinishReason.LENGTH,
}


class _Function(Struct):
    name: str | None = None
    arguments: str | None = None


class _Call(Struct):
    index: _Index = 0
    id: str | None = None
    function: _Function = msgspec.field(default_factory=_Function)


class _Delta(Struct):
    content: str | None = None
    refusal: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(Struct):
    index: _Index = 0
    delta: _Delta | None = None
    text: str | None = None
    finish_reason: str | None = None
    stop_reason: str | int | None = None
    logprobs: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)


class _PromptDetails(Struct):
    cached_tokens: Count | None = None


class _Usage(Struct):
    prompt_tokens: Count = 0
    completion_tokens: Count | None = None
    prompt_tokens_details: _PromptDetails | None = None


class _Chunk(Struct):
    choices: list[_Choice] = []
    usage: _Usage | None = None
    error: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)


_CHUNKS = msgspec.json.Decoder(_Chunk)


class OpenAiAnswers:
    """The answers to one request.

    Args:
        request: that they answer.
    """

    def __init__(self, request: GenerationRequest) -> None:
        self._empty = TokenDelta(request.id)
        self._is_chat = request.conversation is not None
        self._wants_logprobs = request.logprobs is not None
        self._ends: dict[int, tuple[FinishReason, str | int | None]] = {}
        self._n = request.n
        self._usage: _Usage | None = None
        self._counted = 0
        self._is_done = False

    @property
    def has_ended(self) -> bool:
        """Whether each answer has ended."""
        return len(self._ends) == self._n

    @property
    def is_complete(self) -> bool:
        """Whether nothing more is waited for."""
        return self.has_ended and (self._is_done or self._usage is not None)

    def take(self, event: bytes) -> Sequence[TokenDelta]:
        """What an event adds."""
        if event.strip() == _DONE:
            self._is_done = True
            return ()
        chunk = decoded(event, _CHUNKS)
        require_no_error(chunk.error)
        if chunk.usage is not None:
            self._usage = chunk.usage
        return [delta for choice in chunk.choices if (delta := self._of_choice(choice)) is not None]

    def ends(self) -> Sequence[TokenDelta]:
        """The end of each answer."""
        return [
            replace(self._empty, index=index, finish_reason=reason, stop_reason=stop)
            for index, (reason, stop) in sorted(self._ends.items())
        ]

    def usage(self) -> GenerationUsage:
        """As the server tells; where it does not, each event with something in it counts as a token."""
        told = self._usage or _Usage()
        details = told.prompt_tokens_details
        cached = (details.cached_tokens or 0) if details is not None else 0
        completion = self._counted if told.completion_tokens is None else told.completion_tokens
        return GenerationUsage(told.prompt_tokens, completion, min(cached, told.prompt_tokens))

    def _of_choice(self, choice: _Choice) -> TokenDelta | None:
        if choice.index >= self._n or choice.index in self._ends:
            raise no_answer()
        made = replace(self._empty, index=choice.index, logprobs=self._logprobs(choice.logprobs))
        if choice.delta is not None:
            said = choice.delta
            made = replace(
                made,
                text=f"{said.content or ''}{said.refusal or ''}",
                reasoning=said.reasoning or said.reasoning_content or "",
                tool_calls=tuple(map(_call_of, said.tool_calls or ())),
            )
        elif choice.text is not None:
            made = replace(made, text=choice.text)
        if choice.finish_reason is not None:
            self._end(choice)
        if not (made.text or made.reasoning or made.tool_calls or made.logprobs):
            return None
        self._counted += max(1, len(made.logprobs))
        return made

    def _end(self, choice: _Choice) -> None:
        if choice.finish_reason == "content_filter":
            raise PreconditionError(
                "the server that runs the model ended its answer, whose content it does not pass on",
                reason="upstream_content_filter",
            )
        reason = _FINISHES.get(choice.finish_reason or "")
        if reason is None:
            raise no_answer()
        stop = choice.stop_reason if reason is FinishReason.STOP else None
        if isinstance(stop, int) and not 0 <= stop < 1 << 31:
            raise no_answer()
        self._ends[choice.index] = reason, stop

    def _logprobs(self, told: msgspec.Raw) -> tuple[TokenLogprobs, ...]:
        data = bytes(told)
        if not self._wants_logprobs or data in (b"", b"null"):
            return ()
        kind: Any = ChatLogprobs if self._is_chat else CompletionLogprobs
        found: Iterable[TokenLogprobs] = decoded(data, kind).entries()
        return tuple(map(_checked, found))


def _call_of(call: _Call) -> ToolCallDelta:
    return ToolCallDelta(call.index, call.id or "", call.function.name or "", call.function.arguments or "")


def _checked(entry: TokenLogprobs) -> TokenLogprobs:
    """The entry, of numbers that are log-probabilities."""
    return TokenLogprobs(_checked_one(entry.chosen), tuple(map(_checked_one, entry.top)))


def _checked_one(logprob: Logprob) -> Logprob:
    return replace(logprob, logprob=checked_logprob(logprob.logprob))
