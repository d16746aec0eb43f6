"""What an answer says again of the request that it answers."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

import msgspec
import orjson
from msgspec import Raw

from panope_server.transport.rest.json.raw import is_given
from panope_server.transport.rest.openai.responses.schemas import FunctionTool, NamedFunction, ResponseBody


class EchoedJson(TypedDict):
    """The fields of a request as they were understood."""

    instructions: str | None
    max_output_tokens: int | None
    metadata: dict[str, str]
    parallel_tool_calls: bool
    previous_response_id: None
    reasoning: dict[str, str | None]
    store: Literal[False]
    temperature: float | None
    text: dict[str, Any]
    tool_choice: str | dict[str, str]
    tools: list[dict[str, Any]]
    top_logprobs: int | None
    top_p: float | None
    truncation: Literal["disabled"]
    user: str | None


def echoed(body: ResponseBody) -> EchoedJson:
    """What a body asked for, its schemas as they were written; what it left to the model is null."""
    choice = body.tool_choice or "auto"
    return {
        "instructions": body.instructions,
        "max_output_tokens": body.max_output_tokens,
        "metadata": body.metadata or {},
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "previous_response_id": None,
        "reasoning": {"effort": body.reasoning.effort if body.reasoning else None, "summary": None},
        "store": False,
        "temperature": body.temperature,
        "text": _text(body),
        "tool_choice": {"type": "function", "name": choice.name} if isinstance(choice, NamedFunction) else choice,
        "tools": [_tool(tool) for tool in body.tools or ()],
        "top_logprobs": body.top_logprobs,
        "top_p": body.top_p,
        "truncation": "disabled",
        "user": body.user,
    }


def _text(body: ResponseBody) -> dict[str, Any]:
    given = body.text.format if body.text else None
    if given is None or given.type != "json_schema":
        return {"format": {"type": "text" if given is None else given.type}}
    told: dict[str, Any] = {
        "type": "json_schema",
        "name": given.name or "",
        "schema": _as_written(given.schema),
    }
    told |= {"description": given.description, "strict": given.strict is not False}
    return {"format": told}


def _tool(tool: FunctionTool) -> dict[str, Any]:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": _as_written(tool.parameters) if is_given(tool.parameters) else None,
        "strict": tool.strict is not False,
    }


def _as_written(value: Raw) -> orjson.Fragment:
    """A value on one line, as an event is, its numbers as the caller wrote them: Python has not all of them."""
    return orjson.Fragment(msgspec.json.format(bytes(value), indent=-1))
