"""A task's input and output as plain JSON values, the same for gRPC's `Infer` and for POST /v1/infer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from panope_server.tasks.registry import task_named
from panope_server.tasks.task import Input, JsonForm, Output
from panope_server.transport.json_errors import misfit

VALUE_TASK = "embed"
"""The task of models that take a value."""


def input_of(value: object) -> Input:
    """The input that a value holds.

    Raises:
        InvalidInputError: a shape that the task does not take; its field starts with `value`.
    """
    form = _form()
    try:
        converted = msgspec.convert(value, form.schema)
    except msgspec.ValidationError as error:
        raise misfit(error, form.schema, "value") from None
    task_input: Input = form.input_of(converted)
    return task_input


def value_of(output: Output) -> Any:
    """The value of an output."""
    return _form().value_of(output)


def value_names(value: object) -> Mapping[str, str]:
    """What the fields of the input are called in a value."""
    return _form().fields_of(value)


def _form() -> JsonForm[Any, Any]:
    task = task_named(VALUE_TASK)
    assert task is not None
    assert task.json is not None
    return task.json
