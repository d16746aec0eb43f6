"""Inference's requests from arguments, and results from its responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from panope.v1 import infer_service_pb2 as infer_pb
from panope_client.arguments import request_of
from panope_client.tensors import Array, arrays_of, tensors_of
from panope_client.values import Json, json_of, message_of


def infer_request(model: str, inputs: Mapping[str, Array], output_names: Sequence[str]) -> infer_pb.InferRequest:
    """Makes the request to run named arrays.

    Raises:
        InvalidArgumentError: an array's element type has no counterpart.
    """
    return request_of(infer_pb.InferRequest, model=model, inputs=tensors_of(inputs), output_names=output_names)


def outputs_of(response: infer_pb.InferResponse) -> dict[str, Array]:
    """Reads the named arrays of a response."""
    return arrays_of(response.outputs)


def value_request(model: str, value: Json, task: str) -> infer_pb.InferRequest:
    """Makes the request to run a task's value.

    Raises:
        InvalidArgumentError: the value holds what JSON cannot.
    """
    return request_of(infer_pb.InferRequest, model=model, value=message_of(value), task=task)


def value_of(response: infer_pb.InferResponse) -> Any:
    """Reads a task's result as JSON's own types; every number is a float."""
    return json_of(response.value)
