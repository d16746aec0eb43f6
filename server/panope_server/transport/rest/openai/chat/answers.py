"""The answers of POST /v1/chat/completions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, TypedDict

import orjson

from panope_backends.errors import PanopeError
from panope_server.pipeline.call import Call
from panope_server.tasks.generate.types import FinishReason, GenerateDelta, GenerateOutput, ToolCallDelta
from panope_server.transport.rest.generation.identity import Identity
from panope_server.transport.rest.generation.logprobs import (
    ChatLogprobsJson,
    PromptLogprobsJson,
    chat_logprobs,
    prompt_logprobs_json,
)
from panope_server.transport.rest.generation.usage import GenerationUsageJson, usage_json
from panope_server.transport.rest.json.events import DONE, error_fields, event


class CalledFunctionJson(TypedDict):
    """A function that is called, with its arguments as JSON text."""

    name: str
    arguments: str


class ToolCallJson(TypedDict):
    """A call of a tool."""

    id: str
    type: Literal["function"]
    function: CalledFunctionJson


class AnswerMessageJson(TypedDict):
    """What the model says.

    Attributes:
        content: null where it calls tools and says nothing.
        reasoning: what it thought before.
        reasoning_content: the same, for clients that know it by this name.
    """

    role: Literal["assistant"]
    content: str | None
    refusal: None
    reasoning: NotRequired[str]
    reasoning_content: NotRequired[str]
    tool_calls: NotRequired[list[ToolCallJson]]


class ChatChoiceJson(TypedDict):
    """One answer."""

    index: int
    message: AnswerMessageJson
    logprobs: ChatLogprobsJson | None
    finish_reason: FinishReason


class ChatJson(TypedDict):
    """The answer of POST /v1/chat/completions; with `stream` it comes in events, whose `choices` have a `delta`.

    Attributes:
        created: seconds since 1970.
    """

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoiceJson]
    usage: GenerationUsageJson
    prompt_logprobs: NotRequired[PromptLogprobsJson]


class ChatAnswer:
    """One answer in this shape.

    Args:
        call: that is answered.
        logprobs: whether log-probabilities are told.
        include_usage: whether a last event tells what the call took.
    """

    def __init__(self, call: Call, *, logprobs: bool, include_usage: bool) -> None:
        self._identity = Identity(call, "chatcmpl")
        self._logprobs = logprobs
        self._include_usage = include_usage
        self._begun: set[int] = set()

    def whole(self, output: GenerateOutput) -> bytes:
        """The JSON of the whole answer."""
        answers = sorted(output.deltas, key=lambda delta: delta.index)
        told: ChatJson = {
            "id": self._identity.id,
            "object": "chat.completion",
            "created": self._identity.created,
            "model": self._identity.model,
            "choices": [self._choice(delta) for delta in answers],
            "usage": usage_json(output.usage),
        }
        if answers and answers[0].prompt_logprobs:
            told["prompt_logprobs"] = prompt_logprobs_json(answers[0].prompt_logprobs)
        return orjson.dumps(told)

    def events(self, part: GenerateOutput) -> bytes:
        """One event for each delta, and one for the usage."""
        head = self._identity.event("chat.completion.chunk")
        usage = {"usage": None} if self._include_usage else {}
        chunks = [event({**head, "choices": [self._delta(delta)], **usage}) for delta in part.deltas]
        if part.usage is not None and self._include_usage:
            chunks.append(event({**head, "choices": [], "usage": usage_json(part.usage)}))
        return b"".join(chunks)

    def end(self) -> bytes:
        """The end that clients wait for."""
        return DONE

    def failed(self, error: PanopeError) -> bytes:
        """An event with the error; no end follows it."""
        return event({"error": error_fields(error)})

    def _choice(self, delta: GenerateDelta) -> ChatChoiceJson:
        calls = [_tool_call(call) for call in delta.tool_calls]
        message: AnswerMessageJson = {
            "role": "assistant",
            "content": delta.text or (None if calls else ""),
            "refusal": None,
        }
        if delta.reasoning:
            message["reasoning"] = message["reasoning_content"] = delta.reasoning
        if calls:
            message["tool_calls"] = calls
        return {
            "index": delta.index,
            "message": message,
            "logprobs": chat_logprobs(delta.logprobs) if self._logprobs else None,
            "finish_reason": delta.finish_reason or "stop",
        }

    def _delta(self, delta: GenerateDelta) -> Mapping[str, Any]:
        told: dict[str, Any] = {}
        if delta.index not in self._begun:
            self._begun.add(delta.index)
            told = {"role": "assistant", "content": ""}
        if delta.text:
            told["content"] = delta.text
        if delta.reasoning:
            told |= {"reasoning": delta.reasoning, "reasoning_content": delta.reasoning}
        if delta.tool_calls:
            told["tool_calls"] = _tool_deltas(delta.tool_calls)
        logprobs = {"logprobs": chat_logprobs(delta.logprobs)} if self._logprobs and delta.logprobs else {}
        return {"index": delta.index, "delta": told, **logprobs, "finish_reason": delta.finish_reason}


def _tool_call(call: ToolCallDelta) -> ToolCallJson:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _tool_deltas(calls: Sequence[ToolCallDelta]) -> list[Mapping[str, Any]]:
    """The pieces of calls; the first of a call says which one it is."""
    return [
        {"index": call.index, **_tool_call(call)}
        if call.id
        else {"index": call.index, "function": {"arguments": call.arguments}}
        for call in calls
    ]
