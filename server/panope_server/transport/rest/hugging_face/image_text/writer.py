"""Answers questions about images, and writes what is in them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from google.api.httpbody_pb2 import HttpBody

from panope_server.pipeline.call import Call
from panope_server.tasks.generate.types import GenerateDelta, GenerateInput, GenerateOutput
from panope_server.tasks.vision.ocr import OcrInput
from panope_server.transport.answers import answer_of
from panope_server.transport.generation.names import TASK
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interfaces import Models, Pipeline
from panope_server.transport.rest.hugging_face.calls import call_with, model_of
from panope_server.transport.rest.hugging_face.image_bodies import image_call
from panope_server.transport.rest.hugging_face.image_text.inputs import (
    DOCUMENT_NAMES,
    NAMES,
    ImageQuestion,
    document_question,
    image_input,
    image_question,
    question_input,
)
from panope_server.transport.rest.hugging_face.image_text.reading import (
    OCR,
    image_to_read,
    question_to_read,
    read_answer,
    read_text,
    reads_text,
)
from panope_server.transport.rest.hugging_face.image_text.schemas import (
    DocumentBody,
    ImageBody,
    ImageTextJson,
    QuestionAnswerJson,
    QuestionBody,
)
from panope_server.transport.rest.hugging_face.schemas import CallOptions
from panope_server.transport.rest.json.query import unknown_of
from panope_server.transport.rest.json.requests import RequestBody, off_loop
from panope_server.transport.rest.json.responses import json_response

_QUESTION = RequestBody(QuestionBody)
_DOCUMENT = RequestBody(DocumentBody)
_IMAGE = RequestBody(ImageBody)


class ImageTextWriter:
    """Answers bodies with images, by models that chat and by those that read text.

    Args:
        pipeline: runs calls.
        models: know which of the two a model is.
        report_unknown: whether unknown fields are passed over and told of.
    """

    def __init__(self, pipeline: Pipeline, models: Models, *, report_unknown: bool) -> None:
        self._pipeline = pipeline
        self._models = models
        self._report_unknown = report_unknown

    async def answer(self, path_model: str, request: HttpBody, context: Context, interface: str) -> HttpBody:
        """Answers the question of a body with the model of the path, or of the body."""
        unknown = unknown_of(context, report=self._report_unknown)
        body = await off_loop(len(request.data), _QUESTION.read, request, unknown)
        called = _Called(model_of(body.model, path_model), body.options, context, interface)
        answered = await self._answered(image_question(body), called, NAMES)
        unknown.tell(context)
        return answered

    async def answer_document(self, path_model: str, request: HttpBody, context: Context, interface: str) -> HttpBody:
        """As `answer`, of an image of a document."""
        unknown = unknown_of(context, report=self._report_unknown)
        body = await off_loop(len(request.data), _DOCUMENT.read, request, unknown)
        called = _Called(model_of(body.model, path_model), body.options, context, interface)
        answered = await self._answered(document_question(body), called, DOCUMENT_NAMES)
        unknown.tell(context)
        return answered

    async def write(self, path_model: str, request: HttpBody, context: Context, interface: str) -> HttpBody:
        """Writes what is in an image, which the body is or, as JSON, holds."""
        unknown = unknown_of(context, report=self._report_unknown)
        given = await image_call(path_model, request, context, _IMAGE, unknown)
        most = None if given.parameters is None else given.parameters.max_new_tokens
        called = _Called(given.model, given.options, context, interface)
        if await reads_text(self._models, called.model):
            written = await read_text(self._pipeline, called.call(image_to_read(given.image, most), OCR))
        else:
            delta = await self._run(called.call(image_input(given.image, most), TASK), NAMES)
            written = json_response([ImageTextJson(generated_text=delta.text)])
        unknown.tell(context)
        return written

    async def _answered(self, asked: ImageQuestion, called: _Called, names: Callable[[str], str]) -> HttpBody:
        if await reads_text(self._models, called.model):
            task_input = question_to_read(asked.image, asked.question, asked.max_tokens)
            return await read_answer(self._pipeline, called.call(task_input, OCR), names)
        delta = await self._run(called.call(question_input(asked), TASK), names)
        score = math.exp(sum(each.chosen.logprob for each in delta.logprobs))
        return json_response([QuestionAnswerJson(answer=delta.text, score=score)])

    async def _run(self, call: Call, names: Callable[[str], str]) -> GenerateDelta:
        output = await answer_of(self._pipeline, call, GenerateOutput, names)
        return output.deltas[0]


class _Called(NamedTuple):
    """Who is called, and how."""

    model: str
    options: CallOptions | None
    context: Context
    interface: str

    def call(self, task_input: GenerateInput | OcrInput, task: str) -> Call:
        """The call."""
        return call_with(
            self.options, self.context, model=self.model, task_input=task_input, task=task, interface=self.interface
        )
