"""Serves OpenAI's routes of models that generate."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
from google.api.httpbody_pb2 import HttpBody

from panope.rest.v1 import openai_generation_service_pb2_grpc as pb_grpc
from panope_server.observability.end_user import note_end_user
from panope_server.pipeline.call import Call
from panope_server.tasks.generate.types import GenerateInput
from panope_server.transport.generation.names import TASK
from panope_server.transport.interceptors.context import Context, call_for
from panope_server.transport.rest.embedding.inputs import read_input
from panope_server.transport.rest.generation.fields import GenerationFields, named_model
from panope_server.transport.rest.generation.responses import Responder
from panope_server.transport.rest.json.query import unknown_of
from panope_server.transport.rest.json.requests import RequestBody, off_loop
from panope_server.transport.rest.json.unknown_fields import UnknownFields
from panope_server.transport.rest.openai.chat.answers import ChatAnswer
from panope_server.transport.rest.openai.chat.inputs import chat_input, chat_names
from panope_server.transport.rest.openai.chat.schemas import REFUSALS as CHAT_REFUSALS
from panope_server.transport.rest.openai.chat.schemas import ChatBody
from panope_server.transport.rest.openai.completions.answers import CompletionAnswer
from panope_server.transport.rest.openai.completions.inputs import completion_input, completion_names
from panope_server.transport.rest.openai.completions.schemas import REFUSALS as COMPLETION_REFUSALS
from panope_server.transport.rest.openai.completions.schemas import CompletionBody
from panope_server.transport.rest.openai.responses.answers import ResponseAnswer
from panope_server.transport.rest.openai.responses.inputs import response_input
from panope_server.transport.rest.openai.responses.schemas import REFUSALS as RESPONSE_REFUSALS
from panope_server.transport.rest.openai.responses.schemas import ResponseBody
from panope_server.transport.services import Services

#: Azure's clients say the version that they speak.
_NEUTRAL = ("api-version",)

_CHAT = RequestBody(ChatBody, CHAT_REFUSALS)
_COMPLETION = RequestBody(CompletionBody, COMPLETION_REFUSALS)
_RESPONSE = RequestBody(ResponseBody, RESPONSE_REFUSALS)


class OpenAiGenerationServicer(pb_grpc.OpenAiGenerationServiceServicer):
    """Serves panope.rest.v1.OpenAiGenerationService."""

    def __init__(self, responder: Responder, *, report_unknown: bool = False) -> None:
        self._responder = responder
        self._report_unknown = report_unknown

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        report = services.settings.unknown_fields == "report"
        servicer = cls(Responder(services.pipeline), report_unknown=report)
        pb_grpc.add_OpenAiGenerationServiceServicer_to_server(servicer, server)

    async def CreateChatCompletion(self, request: HttpBody, context: Context) -> AsyncIterator[HttpBody]:
        """Answers a conversation."""
        unknown = self._unknown(context)
        body = await off_loop(len(request.data), _CHAT.read, request, unknown)
        names = chat_names(body)
        task_input = chat_input(body)
        call = _call(context, body, task_input, "CreateChatCompletion")
        include_usage = bool(body.stream_options and body.stream_options.include_usage)
        answer = ChatAnswer(call, logprobs=bool(body.logprobs), include_usage=include_usage)
        respond = self._responder.streamed if body.stream else self._responder.whole
        async for message in respond(call, answer, names, unknown, context):
            yield message

    async def CreateCompletion(self, request: HttpBody, context: Context) -> AsyncIterator[HttpBody]:
        """Continues prompts."""
        unknown = self._unknown(context)
        body = await off_loop(len(request.data), _COMPLETION.read, request, unknown)
        given = await off_loop(len(request.data), read_input, body.prompt, "prompt")
        names = completion_names(body, given)
        call = _call(context, body, completion_input(body, given), "CreateCompletion")
        answer = CompletionAnswer(call, body)
        respond = self._responder.streamed if body.stream else self._responder.whole
        async for message in respond(call, answer, names, unknown, context):
            yield message

    async def CreateResponse(self, request: HttpBody, context: Context) -> AsyncIterator[HttpBody]:
        """Answers a conversation in the newer form."""
        unknown = self._unknown(context)
        body = await off_loop(len(request.data), _RESPONSE.read, request, unknown)
        task_input, names = response_input(body)
        call = _call(context, body, task_input, "CreateResponse")
        answer = ResponseAnswer(call, body)
        respond = self._responder.streamed if body.stream else self._responder.whole
        async for message in respond(call, answer, names, unknown, context):
            yield message

    def _unknown(self, context: Context) -> UnknownFields:
        return unknown_of(context, _NEUTRAL, report=self._report_unknown)


def _call(context: Context, body: GenerationFields | ResponseBody, task_input: GenerateInput, method: str) -> Call:
    note_end_user(body.user or body.safety_identifier)
    interface = f"OpenAiGenerationService/{method}"
    return call_for(
        context,
        model=named_model(body.model),
        task_input=task_input,
        task=TASK,
        interface=interface,
        hardware=body.hardware if isinstance(body, GenerationFields) else None,
    )
