"""Answers bodies of summaries and translations."""

from __future__ import annotations

from typing import TypeVar

import orjson
from google.api.httpbody_pb2 import HttpBody

from panope_server.tasks.generate.types import GenerateOutput, TextTask
from panope_server.transport.answers import answer_of
from panope_server.transport.generation.names import TASK
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interfaces import Pipeline
from panope_server.transport.rest.hugging_face.calls import call_with, model_of
from panope_server.transport.rest.hugging_face.text_to_text.inputs import cleaned, names_of, text_input
from panope_server.transport.rest.hugging_face.text_to_text.schemas import (
    SummaryBody,
    SummaryJson,
    TranslationBody,
    TranslationJson,
)
from panope_server.transport.rest.json.query import unknown_of
from panope_server.transport.rest.json.requests import RequestBody, off_loop
from panope_server.transport.rest.json.responses import encoded_response

Body = TypeVar("Body", SummaryBody, TranslationBody)

_SUMMARY = RequestBody(SummaryBody)
_TRANSLATION = RequestBody(TranslationBody)


class TextWriter:
    """Summarizes and translates.

    Args:
        pipeline: runs calls.
        report_unknown: whether unknown fields are passed over and told of.
    """

    def __init__(self, pipeline: Pipeline, *, report_unknown: bool) -> None:
        self._pipeline = pipeline
        self._report_unknown = report_unknown

    async def summarize(self, path_model: str, request: HttpBody, context: Context, interface: str) -> HttpBody:
        """Summarizes the texts of a body with the model of the path, or of the body."""
        body, texts = await self._answers(_SUMMARY, "summarization", path_model, request, context, interface)
        told = [SummaryJson(summary_text=cleaned(text, body.parameters)) for text in texts]
        return encoded_response(orjson.dumps(told))

    async def translate(self, path_model: str, request: HttpBody, context: Context, interface: str) -> HttpBody:
        """Translates the texts of a body with the model of the path, or of the body."""
        body, texts = await self._answers(_TRANSLATION, "translation", path_model, request, context, interface)
        told = [TranslationJson(translation_text=cleaned(text, body.parameters)) for text in texts]
        return encoded_response(orjson.dumps(told))

    async def _answers(
        self,
        reader: RequestBody[Body],
        task: TextTask,
        path_model: str,
        request: HttpBody,
        context: Context,
        interface: str,
    ) -> tuple[Body, list[str]]:
        unknown = unknown_of(context, report=self._report_unknown)
        body = await off_loop(len(request.data), reader.read, request, unknown)
        model, task_input = model_of(body.model, path_model), text_input(body, task)
        call = call_with(body.options, context, model=model, task_input=task_input, task=TASK, interface=interface)
        output = await answer_of(self._pipeline, call, GenerateOutput, names_of(body))
        unknown.tell(context)
        return body, [delta.text for delta in output.deltas]
