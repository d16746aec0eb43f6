"""Answers of task `generate` as the responses of GenerateService."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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

_FINISH_REASONS: Mapping[FinishReason, generation.FinishReason.ValueType] = {
    "stop": generation.FINISH_REASON_STOP,
    "length": generation.FINISH_REASON_LENGTH,
    "tool_calls": generation.FINISH_REASON_TOOL_CALLS,
}


def generate_part(model: str, part: GenerateOutput) -> pb.StreamGenerateResponse:
    """What the answers to prompts have more."""
    response = pb.StreamGenerateResponse(model=model)
    for delta in part.deltas:
        _tell_completion(response.deltas.add(), delta)
    if (usage := usage_message(part.usage)) is not None:
        response.usage.CopyFrom(usage)
    return response


def chat_part(model: str, part: GenerateOutput) -> pb.StreamChatResponse:
    """What the answers to a conversation have more."""
    response = pb.StreamChatResponse(model=model)
    for delta in part.deltas:
        _tell_chat_answer(response.deltas.add(), delta)
    if (usage := usage_message(part.usage)) is not None:
        response.usage.CopyFrom(usage)
    return response


def completion(delta: GenerateDelta) -> pb.Completion:
    """An answer to a prompt."""
    made = pb.Completion()
    _tell_completion(made, delta)
    return made


def chat_answer(delta: GenerateDelta) -> pb.ChatAnswer:
    """An answer to a conversation."""
    made = pb.ChatAnswer()
    _tell_chat_answer(made, delta)
    return made


def _tell_completion(made: pb.Completion, delta: GenerateDelta) -> None:
    if delta.prompt_index:
        made.prompt_index = delta.prompt_index
    made.text = delta.text
    _tell(made, delta)


def _tell_chat_answer(made: pb.ChatAnswer, delta: GenerateDelta) -> None:
    made.content = delta.text
    if delta.reasoning:
        made.reasoning = delta.reasoning
    if delta.tool_calls:
        made.tool_calls.extend(map(_tool_call, delta.tool_calls))
    _tell(made, delta)


def _tell(made: pb.Completion | pb.ChatAnswer, delta: GenerateDelta) -> None:
    """What both have. It comes once for every token of every stream, so that what most have not is left out."""
    if delta.index:
        made.index = delta.index
    if delta.token_ids:
        made.token_ids.extend(delta.token_ids)
    if delta.logprobs:
        made.logprobs.extend(map(_token_logprobs, delta.logprobs))
    if delta.prompt_logprobs:
        made.prompt_logprobs.extend(map(_token_logprobs, delta.prompt_logprobs))
    if delta.finish_reason is not None:
        made.finish_reason = _FINISH_REASONS[delta.finish_reason]
    if isinstance(delta.stop, str):
        made.stop.text = delta.stop
    elif delta.stop is not None:
        made.stop.token_id = delta.stop


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


def _token_logprobs(told: TokenLogprobs) -> generation.TokenLogprobs:
    return generation.TokenLogprobs(chosen=_logprob(told.chosen), top=[_logprob(each) for each in told.top])


def _logprob(told: Logprob) -> generation.Logprob:
    return generation.Logprob(token_id=told.token_id, text=told.text, logprob=told.logprob)


def _tool_call(call: ToolCallDelta) -> pb.ToolCall:
    return pb.ToolCall(index=call.index, id=call.id, name=call.name, arguments_json=call.arguments)
