"""A task's input and output as JSON values, the same for gRPC's `Infer` and for POST /v1/infer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from panope_backends.errors import CallerError, InternalError
from panope_server.pipeline.call import Call
from panope_server.tasks.catalog import task_of
from panope_server.tasks.task import Input, JsonForm
from panope_server.tasks.value import ValueInput
from panope_server.transport.field_names import FieldNames
from panope_server.transport.interfaces import Pipeline
from panope_server.transport.json_errors import misfit


def value_input(value: object, task: str) -> ValueInput:
    """The input of a call that brings a value; `task` is empty for the model's own."""
    return ValueInput(value, task, _read)


async def run_value(pipeline: Pipeline, call: Call) -> Any:
    """Runs a call that brings a value; the value of its answer, where NumPy's arrays stand for lists of numbers.

    Raises:
        PanopeError: of any kind; the fields of errors are those of the value.
    """
    given = call.input
    assert isinstance(given, ValueInput)
    try:
        answer = await pipeline.run(call)
    except CallerError as error:
        form = task_of(call.input).json
        names = {} if form is None else form.fields_of(given.value)
        raise error.renamed(FieldNames(names, single=isinstance(given.value, str))) from None
    form = task_of(call.input).json
    assert form is not None, "the step ReadValue has found it"
    value = form.value_of(answer)
    if not _is_finite(value):
        raise InternalError("the model's answer holds NaN or Infinity, which JSON does not")
    return value


def _read(form: JsonForm[Any, Any], value: object) -> Input:
    try:
        converted = msgspec.convert(value, form.schema)
    except msgspec.ValidationError as error:
        raise misfit(error, form.schema, "value") from None
    task_input: Input = form.input_of(converted)
    return task_input


def _is_finite(value: object) -> bool:
    match value:
        case float():
            return math.isfinite(value)
        case np.ndarray():
            return bool(np.isfinite(value).all())
        case str():
            return True
        case Mapping():
            return all(map(_is_finite, value.values()))
        case Sequence():
            return all(map(_is_finite, value))
    return True
