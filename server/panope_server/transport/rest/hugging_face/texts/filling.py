"""Answers bodies of masked texts."""

from __future__ import annotations

from typing import Any

from google.api.httpbody_pb2 import HttpBody

from panope_server.tasks.fill_mask import FillMaskInput, FillMaskOutput, filling_value
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interfaces import Pipeline
from panope_server.transport.rest.embedding.run import answered
from panope_server.transport.rest.hugging_face.calls import call_with, model_of
from panope_server.transport.rest.hugging_face.texts.schemas import FillMaskBody, FillMaskParameters
from panope_server.transport.rest.hugging_face.truncation import truncation_of
from panope_server.transport.rest.json.requests import RequestBody, off_loop
from panope_server.transport.rest.json.responses import json_response
from panope_server.transport.rest.json.unknown_fields import UnknownFields

TASK = "fill-mask"
"""Of the models; the Inference API calls it the same."""

_BODY = RequestBody(FillMaskBody)
_NAMES = {
    "texts": "inputs",
    "top_k": "parameters.top_k",
    "targets": "parameters.targets",
    "truncation": "parameters.truncate",
}


async def fill_masks(
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
    single = isinstance(body.inputs, str)
    output = await answered(pipeline, call, _NAMES, single=single)
    assert isinstance(output, FillMaskOutput)
    unknown.tell(context)
    rows: list[list[Any]] = [[[filling_value(each) for each in mask] for mask in text] for text in output.texts]
    # As the pipeline has it: the one mask of a text has no list around it.
    told = [masks[0] if len(masks) == 1 else masks for masks in rows]
    return json_response(told[0] if single else told)


def _input_of(body: FillMaskBody) -> FillMaskInput:
    parameters = body.parameters or FillMaskParameters()
    targets = parameters.targets or []
    return FillMaskInput(
        [body.inputs] if isinstance(body.inputs, str) else body.inputs,
        parameters.top_k or 5,
        [targets] if isinstance(targets, str) else targets,
        truncation=truncation_of(parameters.truncate, parameters.truncation_direction),
    )
