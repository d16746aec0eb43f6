"""Answers bodies of Text Generation Inference."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from google.api.httpbody_pb2 import HttpBody

from panope_backends.errors import CallerError, InvalidInputError
from panope_server.tasks.generate.types import GenerateInput
from panope_server.tasks.tokenize import TokenizeInput, TokenizeOutput
from panope_server.transport.generation.names import TASK
from panope_server.transport.interceptors.context import Context, call_for
from panope_server.transport.rest.generation.fields import named_model
from panope_server.transport.rest.generation.responses import Responder
from panope_server.transport.rest.hugging_face.calls import call_with, model_of
from panope_server.transport.rest.json.query import unknown_of
from panope_server.transport.rest.json.refusals import UNSUPPORTED_FIELD
from panope_server.transport.rest.json.requests import RequestBody, off_loop
from panope_server.transport.rest.json.unknown_fields import UnknownFields
from panope_server.transport.rest.text_generation.answers import TextGenerationAnswer
from panope_server.transport.rest.text_generation.inputs import DETAILS, names_of, text_generation_input
from panope_server.transport.rest.text_generation.schemas import GenerateParameters, TextGenerationBody

_BODY = RequestBody(TextGenerationBody)


@dataclass(frozen=True)
class _Asked:
    """What one request asks for.

    Attributes:
        model: that it names; empty for the default one.
    """

    body: TextGenerationBody
    context: Context
    interface: str
    model: str


class TextGenerator:
    """Answers bodies of Text Generation Inference, on whatever route they come.

    Args:
        responder: runs calls.
        report_unknown: whether unknown fields are passed over and told of.
    """

    def __init__(self, responder: Responder, *, report_unknown: bool) -> None:
        self._responder = responder
        self._report_unknown = report_unknown

    async def answer(
        self, request: HttpBody, context: Context, interface: str, *, stream: bool = False, path_model: str = ""
    ) -> AsyncIterator[HttpBody]:
        """Sends the answer.

        Args:
            request: the body.
            context: of the call.
            interface: of the call.
            stream: whether the route streams where the body does not say.
            path_model: the model of the path; empty where it names none.
        """
        unknown = unknown_of(context, report=self._report_unknown)
        body = await off_loop(len(request.data), _BODY.read, request, unknown)
        asked = _Asked(body, context, interface, path_model or named_model(model_of(body.model, path_model)))
        streams = stream if body.stream is None else body.stream
        task_input = text_generation_input(body, stream=streams)
        try:
            async for message in self._sent(asked, task_input, unknown):
                yield message
        except InvalidInputError as error:
            if not _is_without_logprobs(error, body):
                raise
            # Nobody asked for probabilities: the events have them where the model's engine tells any.
            task_input.options.logprobs = None
            async for message in self._sent(asked, task_input, unknown):
                yield message

    async def _sent(self, asked: _Asked, task_input: GenerateInput, unknown: UnknownFields) -> AsyncIterator[HttpBody]:
        body, context = asked.body, asked.context
        call = call_with(
            body.options, context, model=asked.model, task_input=task_input, task=TASK, interface=asked.interface
        )
        first_id = -1
        if body.parameters is not None and body.parameters.decoder_input_details:
            first_id = await self._first_id(body.inputs, asked.model, context, asked.interface)
        answer = TextGenerationAnswer(body, first_id)
        respond = self._responder.streamed if task_input.stream else self._responder.whole
        async for message in respond(call, answer, names_of(body), unknown, context):
            yield message

    async def _first_id(self, text: str, model: str, context: Context, interface: str) -> int:
        """The id of a text's first token, which has no probability and so is not told with the others."""
        call = call_for(context, model=model, task_input=TokenizeInput([text]), task=TASK, interface=interface)
        try:
            tokens = await self._responder.pipeline.run(call)
        except CallerError as error:
            raise error.renamed(lambda _: "inputs") from None
        assert isinstance(tokens, TokenizeOutput)
        return next(iter(tokens.texts[0].ids), -1)


def _is_without_logprobs(error: InvalidInputError, body: TextGenerationBody) -> bool:
    """Whether a model refuses to tell the probabilities that events have, which the body did not ask for."""
    given = body.parameters or GenerateParameters()
    return error.field == DETAILS and error.reason == UNSUPPORTED_FIELD and not given.details
