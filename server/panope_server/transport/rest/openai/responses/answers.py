"""The answers of POST /v1/responses."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

import orjson

from panope_backends.errors import PanopeError
from panope_server.pipeline.call import Call
from panope_server.tasks.generate.types import GenerateDelta, GenerateOutput, GenerateUsage
from panope_server.transport.rest.generation.identity import Identity
from panope_server.transport.rest.generation.logprobs import token_logprob
from panope_server.transport.rest.json.events import error_fields
from panope_server.transport.rest.openai.responses.echo import EchoedJson, echoed
from panope_server.transport.rest.openai.responses.items import (
    Event,
    FunctionCallItem,
    MessageItem,
    OutputItem,
    ReasoningItem,
)
from panope_server.transport.rest.openai.responses.schemas import ResponseBody


class ResponseUsageJson(TypedDict):
    """What a call took, in tokens."""

    input_tokens: int
    input_tokens_details: dict[str, int]
    output_tokens: int
    output_tokens_details: dict[str, int]
    total_tokens: int


class IncompleteJson(TypedDict):
    """Why an answer is not complete.

    Attributes:
        reason: null where the model itself, or a stop text, ended it amid a call of a function.
    """

    reason: Literal["max_output_tokens"] | None


class ResponseJson(EchoedJson):
    """The answer of POST /v1/responses; with `stream` it comes in events, the last of which has it whole.

    Attributes:
        output: what the model thought, said and calls, in this order.
        created_at: seconds since 1970.
    """

    id: str
    object: Literal["response"]
    created_at: int
    status: Literal["completed", "incomplete", "in_progress"]
    error: None
    incomplete_details: IncompleteJson | None
    model: str
    output: list[dict[str, Any]]
    usage: ResponseUsageJson | None


class ResponseAnswer:
    """One answer in this shape.

    Args:
        call: that is answered.
        body: that asked for it.
    """

    def __init__(self, call: Call, body: ResponseBody) -> None:
        self._identity = Identity(call, "resp")
        self._echoed = echoed(body)
        self._logprobs = bool(body.include)
        self._items: list[OutputItem] = []
        self._calls: dict[int, FunctionCallItem] = {}
        self._number = 0
        self._is_cut = self._has_open_call = False

    def whole(self, output: GenerateOutput) -> bytes:
        """The JSON of the whole answer."""
        for delta in output.deltas:
            self._add(delta)
        self._end_item()
        return orjson.dumps(self._response(output.usage, self._status))

    def events(self, part: GenerateOutput) -> bytes:
        """The events of what there is more; those of the beginning before the first, those of the end at the usage."""
        told: list[Event] = []
        if self._number == 0:
            response = self._response(None, "in_progress")
            told += [{"type": kind, "response": response} for kind in ("response.created", "response.in_progress")]
        for delta in part.deltas:
            told += self._add(delta)
        if part.usage is not None:
            told += self._end_item()
            told.append({"type": f"response.{self._status}", "response": self._response(part.usage, self._status)})
        return b"".join(map(self._event, told))

    def end(self) -> bytes:
        """Nothing: the event with the whole answer is the end."""
        return b""

    def failed(self, error: PanopeError) -> bytes:
        """An event with the error, in the shape of these routes and in that of every other, which raises in clients."""
        fields = error_fields(error)
        told = {"type": "error", "code": fields["code"], "message": fields["message"], "param": fields["param"]}
        return self._event({**told, "error": fields})

    @property
    def _status(self) -> Literal["completed", "incomplete"]:
        return "incomplete" if self._is_cut or self._has_open_call else "completed"

    def _add(self, delta: GenerateDelta) -> list[Event]:
        """Takes a delta over; the events that tell it."""
        told: list[Event] = []
        self._is_cut = self._is_cut or delta.finish_reason == "length"
        if delta.reasoning:
            told += self._begin_item(ReasoningItem)
            told += self._items[-1].add(delta.reasoning, [])
        logprobs = [token_logprob(each) for each in delta.logprobs] if self._logprobs else []
        if delta.text:
            told += self._begin_item(MessageItem)
            told += self._items[-1].add(delta.text, logprobs)
        for call in delta.tool_calls:
            if call.index not in self._calls:
                told += self._end_item()
                self._calls[call.index] = opened = FunctionCallItem(len(self._items), call.id, call.name)
                self._items.append(opened)
                told += opened.begin()
            told += self._calls[call.index].add(call.arguments, [])
        # After whole calls the reason is another: whoever runs what is complete must not run half a call.
        is_call = bool(self._items) and isinstance(self._items[-1], FunctionCallItem)
        self._has_open_call = self._has_open_call or (delta.finish_reason == "stop" and is_call)
        return told

    def _begin_item(self, kind: type[ReasoningItem | MessageItem]) -> list[Event]:
        """Makes the last item one of the kind."""
        if self._items and type(self._items[-1]) is kind:
            return []
        told = self._end_item()
        self._items.append(kind(len(self._items)))
        return [*told, *self._items[-1].begin()]

    def _end_item(self) -> list[Event]:
        return self._items[-1].end(self._status) if self._items else []

    def _response(
        self, usage: GenerateUsage | None, status: Literal["completed", "incomplete", "in_progress"]
    ) -> ResponseJson:
        return {
            "id": self._identity.id,
            "object": "response",
            "created_at": self._identity.created,
            "status": status,
            "error": None,
            "incomplete_details": self._incomplete() if status == "incomplete" else None,
            "model": self._identity.model,
            "output": [item.told() for item in self._items],
            "usage": None if usage is None else _usage(usage),
            **self._echoed,
        }

    def _incomplete(self) -> IncompleteJson:
        return {"reason": "max_output_tokens" if self._is_cut else None}

    def _event(self, told: Event) -> bytes:
        data = orjson.dumps({**told, "sequence_number": self._number})
        self._number += 1
        return f"event: {told['type']}\ndata: ".encode() + data + b"\n\n"


def _usage(usage: GenerateUsage) -> ResponseUsageJson:
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
