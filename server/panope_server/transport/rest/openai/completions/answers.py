"""The answers of POST /v1/completions."""

from __future__ import annotations

from collections import defaultdict
from typing import Literal, NotRequired, TypedDict

import orjson

from panope_backends.errors import PanopeError
from panope_server.pipeline.call import Call
from panope_server.tasks.generate.types import (
    FinishReason,
    GenerateDelta,
    GenerateOutput,
)
from panope_server.transport.rest.generation.identity import Identity
from panope_server.transport.rest.generation.logprobs import (
    CompletionLogprobsJson,
    PromptLogprobsJson,
    TextPositions,
    prompt_logprobs_json,
)
from panope_server.transport.rest.generation.usage import GenerationUsageJson, usage_json
from panope_server.transport.rest.json.events import DONE, error_fields, event
from panope_server.transport.rest.openai.completions.schemas import CompletionBody


class CompletionChoiceJson(TypedDict):
    """One answer; in a stream what it has more, and a reason when it ends."""

    index: int
    text: str
    logprobs: CompletionLogprobsJson | None
    finish_reason: FinishReason | None
    prompt_logprobs: NotRequired[PromptLogprobsJson]


class CompletionJson(TypedDict):
    """The answer of POST /v1/completions; with `stream` it comes in events of the same form.

    Attributes:
        created: seconds since 1970.
    """

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[CompletionChoiceJson]
    usage: GenerationUsageJson


class CompletionAnswer:
    """One answer in this shape.

    Args:
        call: that is answered.
        body: that asked for it.
    """

    def __init__(self, call: Call, body: CompletionBody) -> None:
        self._identity = Identity(call, "cmpl")
        self._n = body.n or 1
        self._logprobs = body.logprobs is not None
        self._echoes = bool(body.echo)
        self._tells_prompt = body.prompt_logprobs is not None
        self._include_usage = bool(body.stream_options and body.stream_options.include_usage)
        self._positions: defaultdict[int, TextPositions] = defaultdict(TextPositions)
        self._prompts: dict[int, GenerateDelta] = {}

    def whole(self, output: GenerateOutput) -> bytes:
        """The JSON of the whole answer."""
        answers = sorted(output.deltas, key=lambda delta: (delta.prompt_index, delta.index))
        told: CompletionJson = {
            "id": self._identity.id,
            "object": "text_completion",
            "created": self._identity.created,
            "model": self._identity.model,
            "choices": [self._choice(delta) for delta in answers],
            "usage": usage_json(output.usage),
        }
        return orjson.dumps(told)

    def events(self, part: GenerateOutput) -> bytes:
        """One event for each delta, and one for the usage."""
        head = self._identity.event("text_completion")
        usage = {"usage": None} if self._include_usage else {}
        chunks = [event({**head, "choices": [self._choice(delta)], **usage}) for delta in part.deltas]
        if part.usage is not None and self._include_usage:
            chunks.append(event({**head, "choices": [], "usage": usage_json(part.usage)}))
        return b"".join(chunks)

    def end(self) -> bytes:
        """The end that clients wait for."""
        return DONE

    def failed(self, error: PanopeError) -> bytes:
        """An event with the error; no end follows it."""
        return event({"error": error_fields(error)})

    def _choice(self, delta: GenerateDelta) -> CompletionChoiceJson:
        index = delta.prompt_index * self._n + delta.index
        logprobs = self._told_logprobs(index, delta) if self._logprobs else None
        choice: CompletionChoiceJson = {
            "index": index,
            "text": delta.text,
            "logprobs": logprobs,
            "finish_reason": delta.finish_reason,
        }
        if self._tells_prompt and delta.prompt_logprobs:
            choice["prompt_logprobs"] = prompt_logprobs_json(delta.prompt_logprobs)
        return choice

    def _told_logprobs(self, index: int, delta: GenerateDelta) -> CompletionLogprobsJson:
        positions = self._positions[index]
        if not self._echoes or index in self._prompts:
            return positions.told(delta.logprobs)
        # Those of the prompt come with the first answer to it, and stand before each.
        self._prompts[index] = delta
        of_prompt = delta if delta.prompt_logprobs else self._prompts[index - delta.index]
        return positions.begun(of_prompt.first_prompt_token, of_prompt.prompt_logprobs, delta.logprobs, delta.text)
