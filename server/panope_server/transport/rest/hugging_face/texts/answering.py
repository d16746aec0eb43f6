"""Answers bodies of questions."""

from __future__ import annotations

import re
from typing import Any

from google.api.httpbody_pb2 import HttpBody

from panope_server.tasks.question_answer import QuestionAnswerInput, QuestionAnswerOutput, answer_value
from panope_server.transport.answers import answer_of
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interfaces import Pipeline
from panope_server.transport.rest.hugging_face.calls import call_with, model_of
from panope_server.transport.rest.hugging_face.texts.schemas import AnswerBody, QuestionParameters
from panope_server.transport.rest.json.requests import RequestBody, off_loop
from panope_server.transport.rest.json.responses import json_response
from panope_server.transport.rest.json.unknown_fields import UnknownFields

QUESTIONS = "question-answering"
"""The Inference API's word for the task."""

TASK = "question-answer"

_BODY = RequestBody(AnswerBody)
_ITEM = re.compile(r"(question|context)s(\[\d+\])?")


async def answer_questions(
    pipeline: Pipeline, path_model: str, request: HttpBody, context: Context, unknown: UnknownFields, interface: str
) -> HttpBody:
    """Reads a body and answers it.

    Args:
        pipeline: runs calls.
        path_model: the model of the path; empty where it names none.
        request: the body.
        context: of the call.
        unknown: fields of the body.
        interface: as of `Call`.
    """
    body = await off_loop(len(request.data), _BODY.read, request, unknown)
    call = call_with(
        body.options,
        context,
        model=model_of(body.model, path_model),
        task_input=_input_of(body),
        task=TASK,
        interface=interface,
    )
    single = not isinstance(body.inputs, list)
    output = await answer_of(pipeline, call, QuestionAnswerOutput, lambda path: _name(path, single=single))
    unknown.tell(context)
    several = bool(body.parameters and (body.parameters.top_k or 1) > 1)
    told: list[Any] = [[answer_value(one) for one in answers] for answers in output.answers]
    if not several:
        told = [answers[0] for answers in told]
    return json_response(told[0] if single else told)


def _input_of(body: AnswerBody) -> QuestionAnswerInput:
    inputs = body.inputs if isinstance(body.inputs, list) else [body.inputs]
    parameters = body.parameters or QuestionParameters()
    given = {
        name: value for name in QuestionParameters.__struct_fields__ if (value := getattr(parameters, name)) is not None
    }
    return QuestionAnswerInput([each.question for each in inputs], [each.context for each in inputs], **given)


def _name(path: str, *, single: bool) -> str:
    """What a body calls a field."""
    if found := _ITEM.match(path):
        return f"inputs{'' if single else found[2] or ''}.{found[1]}"
    return f"parameters.{path}" if path in QuestionParameters.__struct_fields__ else path
