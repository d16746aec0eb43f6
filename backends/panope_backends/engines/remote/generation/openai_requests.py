"""Requests as OpenAI's API takes them, and with the fields that vLLM's takes besides.

Fields: https://platform.openai.com/docs/api-reference, https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
"""

from __future__ import annotations

from typing import Any

import msgspec

from panope_backends.api import Conversation, GenerationRequest, Grammar, GrammarKind, SamplingParams
from panope_backends.engines.remote.generation.dialect import Asked
from panope_backends.engines.remote.refusals import needs_limit

#: By the names of our fields, those of bodies; what has the same name there is listed with it.
OPENAI = {
    **{name: name for name in ("temperature", "top_p", "presence_penalty", "frequency_penalty", "seed", "n", "stop")},
    "logit_bias": "logit_bias",
}
VLLM = OPENAI | {
    **{name: name for name in ("top_k", "min_p", "repetition_penalty", "min_tokens", "stop_token_ids", "ignore_eos")},
    "include_stop": "include_stop_str_in_output",
    "skip_special_tokens": "skip_special_tokens",
    "cache_salt": "cache_salt",
}

_SAMPLING = frozenset(SamplingParams.__dataclass_fields__)

#: Beside the fields of the tables, which bodies hold as they are.
_BOTH = frozenset({"prompt", "conversation", "logprobs", "grammar", "tools", "parallel_tool_calls"})
_VLLM_ALONE = frozenset({"prompt_token_ids", "template_kwargs", "continue_final_message", "priority"})

HONOURED = {
    "openai": _BOTH | frozenset(OPENAI),
    "vllm": _BOTH | frozenset(VLLM) | _VLLM_ALONE,
}


class OpenAiRequests:
    """Makes bodies.

    Args:
        model: as the server calls it.
        protocol: `openai` or `vllm`.
    """

    def __init__(self, model: str, protocol: str) -> None:
        self._model = model
        self._is_vllm = protocol == "vllm"
        self._table = VLLM if self._is_vllm else OPENAI
        self.honoured = HONOURED[protocol]

    def unsupported(self, request: GenerationRequest) -> tuple[str, ...]:
        """What is honoured with some values alone."""
        grammar = request.grammar
        if grammar is None or self._is_vllm:
            return ()
        is_json = grammar.kind in (GrammarKind.JSON_OBJECT, GrammarKind.JSON_SCHEMA)
        return () if is_json and request.conversation is not None else ("grammar",)

    def asked(self, request: GenerationRequest) -> Asked:
        """The one request.

        Raises:
            InvalidInputError: a completion without a limit, which such servers end after a few tokens of their choice.
        """
        body: dict[str, Any] = {"model": self._model, "stream": True, "stream_options": {"include_usage": True}}
        names = {wire: name for name, wire in self._table.items()}
        if request.conversation is not None:
            body |= _conversation(request.conversation)
            limit = "max_tokens" if self._is_vllm else "max_completion_tokens"
            names |= {limit: "max_tokens", "messages": "messages", "tools": "tools", "tool_choice": "tool_choice"}
            names |= {"response_format": "grammar", "top_logprobs": "logprobs", "logprobs": "logprobs"}
            if request.logprobs is not None:
                body |= {"logprobs": True, "top_logprobs": request.logprobs}
        else:
            limit = "max_tokens"
            names |= {"prompt": "prompt", "max_tokens": "max_tokens", "logprobs": "logprobs"}
            if request.max_tokens is None and not self._is_vllm:
                raise needs_limit()
            body["max_tokens"] = None  # vLLM's word for no limit, where a body without one has a short one
            body["prompt"] = request.prompt or request.prompt_token_ids
            if request.logprobs is not None:
                body["logprobs"] = request.logprobs
        if request.max_tokens is not None:
            body[limit] = request.max_tokens
        body |= self._options(request)
        path = "/completions" if request.conversation is None else "/chat/completions"
        prompt = "prompt" if request.conversation is None else "messages"
        return Asked(path, msgspec.json.encode(body), names, prompt)

    def _options(self, request: GenerationRequest) -> dict[str, Any]:
        """Those that are set, and those at their defaults that the caller has set."""
        found: dict[str, Any] = {}
        for name, wire in self._table.items():
            of_sampling = name in _SAMPLING
            value = getattr(request.sampling if of_sampling else request, name)
            default = getattr(_BLANK.sampling if of_sampling else _BLANK, name)
            if value != default or (name in request.given and value is not None):
                found[wire] = value
        if request.sampling.logit_bias:
            found["logit_bias"] = {str(token): bias for token, bias in request.sampling.logit_bias.items()}
        if request.priority:
            found["priority"] = -request.priority  # lower ones first there
        return found | _grammar(request.grammar)


_BLANK = GenerationRequest(0, prompt="-")


def _conversation(given: Conversation) -> dict[str, Any]:
    body: dict[str, Any] = {"messages": msgspec.Raw(given.messages)}
    if given.tools:
        named = given.tool_choice.removeprefix("name:")
        is_named = named != given.tool_choice
        body["tools"] = msgspec.Raw(given.tools)
        body["tool_choice"] = {"type": "function", "function": {"name": named}} if is_named else named
        if not given.parallel_tool_calls:
            body["parallel_tool_calls"] = False
    if given.template_kwargs:
        body["chat_template_kwargs"] = msgspec.Raw(given.template_kwargs)
    if given.continue_final_message:
        body |= {"continue_final_message": True, "add_generation_prompt": False}
    return body


def _grammar(grammar: Grammar | None) -> dict[str, Any]:
    if grammar is None:
        return {}
    match grammar.kind:
        case GrammarKind.JSON_OBJECT:
            return {"response_format": {"type": "json_object"}}
        case GrammarKind.JSON_SCHEMA:
            schema = {"name": "answer", "strict": True, "schema": msgspec.Raw(grammar.source.encode())}
            return {"response_format": {"type": "json_schema", "json_schema": schema}}
        case GrammarKind.REGEX:
            return {"structured_outputs": {"regex": grammar.source}}
        case GrammarKind.LARK:
            return {"structured_outputs": {"grammar": grammar.source}}
