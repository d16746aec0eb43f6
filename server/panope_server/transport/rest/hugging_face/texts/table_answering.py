"""Answers bodies of questions about tables."""

from __future__ import annotations

from google.api.httpbody_pb2 import HttpBody

from panope_backends.errors import CallerError, InvalidInputError
from panope_server.tasks.table_question_answer import TableQuestionInput, TableQuestionOutput, table_answer_value
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interfaces import Pipeline
from panope_server.transport.rest.hugging_face.calls import call_with, model_of
from panope_server.transport.rest.hugging_face.texts.table_schemas import (
    TableBody,
    TableColumns,
    TableParameters,
    TableQuestionJson,
)
from panope_server.transport.rest.json.requests import RequestBody, off_loop
from panope_server.transport.rest.json.responses import json_response
from panope_server.transport.rest.json.unknown_fields import UnknownFields

TABLES = "table-question-answering"
"""The Inference API's word for the task."""

TASK = "table-question-answer"

_BODY = RequestBody(TableBody)


async def answer_table_questions(
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
    size = len(request.data)
    body = await off_loop(size, _BODY.read, request, unknown)
    single = isinstance(body.inputs.query, str)
    task_input = await off_loop(size, _input_of, body.inputs, body.parameters or TableParameters())
    call = call_with(
        body.options,
        context,
        model=model_of(body.model, path_model),
        task_input=task_input,
        task=TASK,
        interface=interface,
    )
    try:
        output = await pipeline.run(call)
    except CallerError as error:
        raise error.renamed(lambda path: _name(path, single=single)) from None
    assert isinstance(output, TableQuestionOutput)
    unknown.tell(context)
    told = [table_answer_value(answer) for answer in output.answers]
    return json_response(told[0] if single else told)


def _input_of(inputs: TableQuestionJson, parameters: TableParameters) -> TableQuestionInput:
    cuts = parameters.truncation not in (False, "do_not_truncate")
    return TableQuestionInput(
        list(inputs.table),
        _rows(inputs.table),
        [inputs.query] if isinstance(inputs.query, str) else inputs.query,
        bool(parameters.sequential),
        truncation="end" if cuts else "refuse",
    )


def _rows(table: TableColumns) -> list[list[str]]:
    """The rows of a table of columns; numbers become texts as JSON writes them."""
    counts = {len(cells) for cells in table.values()}
    if len(counts) > 1:
        raise InvalidInputError(
            f"`inputs.table` has columns of {min(counts):,} to {max(counts):,} cells; all must have as many",
            field="inputs.table",
        )
    rows = zip(*table.values(), strict=True)
    return [[cell if isinstance(cell, str) else repr(cell) for cell in cells] for cells in rows]


def _name(path: str, *, single: bool) -> str:
    """What a body calls a field."""
    if path == "table":
        return "inputs.table"
    if path == "truncation":
        return "parameters.truncation"
    return f"inputs.query{'' if single else path.removeprefix('questions')}" if path.startswith("questions") else path
