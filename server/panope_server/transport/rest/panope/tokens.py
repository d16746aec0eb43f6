"""Splits texts into tokens and joins them, for models of every task."""

from __future__ import annotations

from google.api.httpbody_pb2 import HttpBody
from msgspec import Raw

from panope_backends.errors import CallerError, InvalidInputError
from panope_server.runtime.status import ModelView
from panope_server.tasks.task import Input, Output
from panope_server.tasks.tokenize import DetokenizeInput, DetokenizeOutput, TokenizeInput, TokenizeOutput
from panope_server.transport.field_names import split
from panope_server.transport.generation.names import TASK
from panope_server.transport.interceptors.context import Context, call_for
from panope_server.transport.interfaces import Models, Pipeline
from panope_server.transport.rest.generation.fields import named_model
from panope_server.transport.rest.json.query import unknown_of
from panope_server.transport.rest.json.requests import RequestBody, off_loop
from panope_server.transport.rest.json.responses import json_response
from panope_server.transport.rest.json.unknown_fields import UnknownFields
from panope_server.transport.rest.openai.chat.inputs import conversation_of
from panope_server.transport.rest.openai.chat.schemas import ChatBody
from panope_server.transport.rest.panope.token_schemas import (
    DetokenizeTextBody,
    TextJson,
    TokenizeTextBody,
    TokensJson,
)

_TOKENIZE = RequestBody(TokenizeTextBody)
_DETOKENIZE = RequestBody(DetokenizeTextBody)

#: Whose models have tokenizers; those of the first one are the default.
_TASKS = (TASK, "embed", "rerank", "classify", "token-classify", "question-answer", "fill-mask")
_NAMES = {"texts": "prompt", "token_sequences": "tokens"}
_OF_CHATS = ("tools", "chat_template_kwargs", "continue_final_message", "add_generation_prompt")


class TokenRoutes:
    """Answers /v1/tokenize and /v1/detokenize."""

    def __init__(self, pipeline: Pipeline, models: Models, *, report_unknown: bool) -> None:
        self._pipeline = pipeline
        self._models = models
        self._report_unknown = report_unknown

    async def tokenize(self, request: HttpBody, context: Context) -> HttpBody:
        """The tokens of a text."""
        unknown = self._unknown(context)
        body = await off_loop(len(request.data), _TOKENIZE.read, request, unknown)
        model = await self._model(body.model)
        task_input = _input(body)
        answer = await self._run(context, model, task_input, "PanopeService/TokenizeText")
        assert isinstance(answer, TokenizeOutput)
        (found,) = answer.texts
        told: TokensJson = {"count": len(found.ids), "max_model_len": await self._length(model), "tokens": found.ids}
        if body.return_token_strs:
            told["token_strs"] = found.tokens
        unknown.tell(context)
        return json_response(told)

    async def detokenize(self, request: HttpBody, context: Context) -> HttpBody:
        """The text of tokens."""
        unknown = self._unknown(context)
        body = await off_loop(len(request.data), _DETOKENIZE.read, request, unknown)
        task_input = DetokenizeInput([body.tokens], body.skip_special_tokens)
        answer = await self._run(context, await self._model(body.model), task_input, "PanopeService/DetokenizeText")
        assert isinstance(answer, DetokenizeOutput)
        told: TextJson = {"prompt": answer.texts[0]}
        unknown.tell(context)
        return json_response(told)

    async def _run(self, context: Context, model: str, task_input: Input, interface: str) -> Output:
        call = call_for(context, model=model, task_input=task_input, task="", interface=interface)
        try:
            return await self._pipeline.run(call)
        except CallerError as error:
            raise error.renamed(_name_of) from None

    async def _model(self, given: str | None) -> str:
        """The model that a body names, or the default of the first task that has one."""
        if name := named_model(given):
            return name
        for task in _TASKS:
            if name := await self._models.default_for(task) or "":
                return name
        raise InvalidInputError("`model` is missing and there is no default model", field="model")

    async def _length(self, model: str) -> int | None:
        return _length_of(await self._models.get(model))

    def _unknown(self, context: Context) -> UnknownFields:
        return unknown_of(context, report=self._report_unknown)


def _length_of(view: ModelView) -> int | None:
    if view.generate is not None:
        return view.generate.max_source_length or view.generate.max_positions or None
    spec = view.embed or view.classify or view.text
    return (spec.max_tokens or None) if spec is not None else None


def _input(body: TokenizeTextBody) -> TokenizeInput:
    """What a body asks for.

    Raises:
        InvalidInputError: both a text and a conversation, neither, or what goes with the other.
    """
    if body.messages is not None:
        if body.prompt is not None:
            raise InvalidInputError("`messages` and `prompt` exclude each other", field="messages")
        options = {name: getattr(body, name) for name in _OF_CHATS}
        found = conversation_of(ChatBody(messages=body.messages, **options))
        return TokenizeInput([], bool(body.add_special_tokens), found)
    if body.prompt is None:
        raise InvalidInputError("`prompt` is missing; give it or `messages`", field="prompt")
    given = {name: getattr(body, name) for name in _OF_CHATS}
    if wrong := next((name for name, value in given.items() if value not in (None, Raw())), ""):
        raise InvalidInputError(f"`{wrong}` has no effect without `messages`", field=wrong)
    return TokenizeInput([body.prompt], body.add_special_tokens is not False)


def _name_of(path: str) -> str:
    """What a body calls a field; it has one text, so no position."""
    name, rest = split(path)
    if name in ("messages", "tools"):
        return path
    if name == "template_kwargs":
        return f"chat_template_kwargs{rest}"
    return _NAMES.get(name, name)
