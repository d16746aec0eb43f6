"""Answers questions about images, and writes what is in them."""

from __future__ import annotations

import math

import orjson
from google.api.httpbody_pb2 import HttpBody

from panope_backends.errors import CallerError
from panope_server.pipeline.call import Call
from panope_server.tasks.generate.types import GenerateDelta, GenerateInput, GenerateOutput
from panope_server.transport.generation.names import TASK
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interfaces import Pipeline
from panope_server.transport.rest.hugging_face.calls import call_with, model_of
from panope_server.transport.rest.hugging_face.image_bodies import image_of, is_image
from panope_server.transport.rest.hugging_face.image_text.inputs import (
    NAMES,
    described_input,
    image_input,
    question_input,
)
from panope_server.transport.rest.hugging_face.image_text.schemas import (
    ImageBody,
    ImageTextJson,
    QuestionAnswerJson,
    QuestionBody,
)
from panope_server.transport.rest.hugging_face.schemas import CallOptions
from panope_server.transport.rest.json.query import unknown_of
from panope_server.transport.rest.json.requests import RequestBody, off_loop
from panope_server.transport.rest.json.responses import encoded_response

_QUESTION = RequestBody(QuestionBody)
_IMAGE = RequestBody(ImageBody)


class ImageTextWriter:
    """Answers bodies with images.

    Args:
        pipeline: runs calls.
        report_unknown: whether unknown fields are passed over and told of.
    """

    def __init__(self, pipeline: Pipeline, *, report_unknown: bool) -> None:
        self._pipeline = pipeline
        self._report_unknown = report_unknown

    async def answer(self, path_model: str, request: HttpBody, context: Context, interface: str) -> HttpBody:
        """Answers the question of a body with the model of the path, or of the body."""
        unknown = unknown_of(context, report=self._report_unknown)
        body = await off_loop(len(request.data), _QUESTION.read, request, unknown)
        call = _call(question_input(body), body.options, context, model_of(body.model, path_model), interface)
        delta = await self._run(call)
        unknown.tell(context)
        score = math.exp(sum(each.chosen.logprob for each in delta.logprobs))
        return encoded_response(orjson.dumps([QuestionAnswerJson(answer=delta.text, score=score)]))

    async def write(self, path_model: str, request: HttpBody, context: Context, interface: str) -> HttpBody:
        """Writes what is in an image, which the body is or, as JSON, holds."""
        unknown = unknown_of(context, report=self._report_unknown)
        if is_image(request, context):
            call = _call(image_input(image_of(request)), None, context, path_model, interface)
        else:
            body = await off_loop(len(request.data), _IMAGE.read, request, unknown)
            call = _call(described_input(body), body.options, context, model_of(body.model, path_model), interface)
        delta = await self._run(call)
        unknown.tell(context)
        return encoded_response(orjson.dumps([ImageTextJson(generated_text=delta.text)]))

    async def _run(self, call: Call) -> GenerateDelta:
        try:
            output = await self._pipeline.run(call)
        except CallerError as error:
            raise error.renamed(NAMES) from None
        assert isinstance(output, GenerateOutput)
        return output.deltas[0]


def _call(task_input: GenerateInput, options: CallOptions | None, context: Context, model: str, interface: str) -> Call:
    return call_with(options, context, model=model, task_input=task_input, task=TASK, interface=interface)
