"""Answers of task `generate` as the responses of GenerateService."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from panope.v1 import generate_service_pb2 as pb
from panope.v1 import generation_pb2 as generation
from panope_server.tasks.generate.types import (
    FinishReason,
    GenerateDelta,
    GenerateOutput,
    GenerateUsage,
    Logprob,
    TokenLogprobs,
    ToolCallDelta,
)
from panope_server.tasks.task import Output

#: Positions of a prompt whose log-probabilities, of twenty tokens each, stay far below what one message may have.
_MAX_POSITIONS = 256
#: Deltas of one message: with a few tokens each they stay below it too.
_MAX_DELTAS = 256

_FINISH_REASONS: Mapping[FinishReason | None, generation.FinishReason.ValueType] = {
    None: generation.FINISH_REASON_UNSPECIFIED,
    "stop": generation.FINISH_REASON_STOP,
    "length": generation.FINISH_REASON_LENGTH,
    "tool_calls": generation.FINISH_REASON_TOOL_CALLS,
}


def completion(delta: GenerateDelta) -> pb.Completion:
    """An answer to a prompt, or what it has more."""
    return pb.Completion(
        prompt_index=delta.prompt_index,
        index=delta.index,
        text=delta.text,
        token_ids=delta.token_ids,
        logprobs=_logprobs(delta.logprobs),
        prompt_logprobs=_logprobs(delta.prompt_logprobs),
        finish_reason=_FINISH_REASONS[delta.finish_reason],
        stop=_stop(delta.stop),
    )


def chat_answer(delta: GenerateDelta) -> pb.ChatAnswer:
    """An answer to a conversation, or what it has more."""
    return pb.ChatAnswer(
        index=delta.index,
        content=delta.text,
        reasoning=delta.reasoning,
        tool_calls=map(_tool_call, delta.tool_calls),
        token_ids=delta.token_ids,
        logprobs=_logprobs(delta.logprobs),
        prompt_logprobs=_logprobs(delta.prompt_logprobs),
        finish_reason=_FINISH_REASONS[delta.finish_reason],
        stop=_stop(delta.stop),
    )


def usage_message(usage: GenerateUsage | None) -> generation.GenerationUsage | None:
    """What a call took; None where it is not told yet."""
    if usage is None:
        return None
    return generation.GenerationUsage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        cached_tokens=usage.cached_tokens,
        reasoning_tokens=usage.reasoning_tokens,
    )


def in_order(deltas: Iterable[GenerateDelta]) -> list[GenerateDelta]:
    """The answers of the first prompt first, by their numbers."""
    return sorted(deltas, key=lambda delta: (delta.prompt_index, delta.index))


def in_messages(part: Output) -> list[GenerateOutput]:
    """A part of the answers, for as many messages as keep each small; `usage` goes with the last."""
    assert isinstance(part, GenerateOutput)
    if len(part.deltas) == 1 and len(part.deltas[0].prompt_logprobs) <= _MAX_POSITIONS:
        return [part]
    small = [piece for delta in part.deltas for piece in _pieces(delta)]
    if len(small) == len(part.deltas) <= _MAX_DELTAS:
        return [part]
    groups: list[list[GenerateDelta]] = [[]]
    for delta in small:
        if groups[-1] and (delta.prompt_logprobs or len(groups[-1]) == _MAX_DELTAS):
            groups.append([])
        groups[-1].append(delta)
    return [*map(GenerateOutput, groups[:-1]), GenerateOutput(groups[-1], part.usage)]


def _pieces(delta: GenerateDelta) -> Iterator[GenerateDelta]:
    """The delta, or several where it tells of a long prompt: those before the last have nothing else."""
    told = delta.prompt_logprobs
    while len(told) > _MAX_POSITIONS:
        yield GenerateDelta(delta.prompt_index, delta.index, prompt_logprobs=told[:_MAX_POSITIONS])
        told = told[_MAX_POSITIONS:]
    yield delta if told is delta.prompt_logprobs else replace(delta, prompt_logprobs=told)


def _logprobs(told: Sequence[TokenLogprobs]) -> Iterable[generation.TokenLogprobs]:
    if not told:
        return ()
    return (generation.TokenLogprobs(chosen=_logprob(each.chosen), top=map(_logprob, each.top)) for each in told)


def _logprob(told: Logprob) -> generation.Logprob:
    return generation.Logprob(token_id=told.token_id, text=told.text, logprob=told.logprob)


def _tool_call(call: ToolCallDelta) -> pb.ToolCall:
    return pb.ToolCall(index=call.index, id=call.id, name=call.name, arguments_json=call.arguments)


def _stop(stop: str | int | None) -> pb.Stop | None:
    if stop is None:
        return None
    return pb.Stop(text=stop) if isinstance(stop, str) else pb.Stop(token_id=stop)
