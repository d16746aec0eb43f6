# Generated from panope_client/aio/infer_calls.py by clients/python/generate.py; do not edit.
"""Calls that run a model on named arrays, or on its task's value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from panope_client.arguments import Priority
from panope_client.messages.infer import infer_request, outputs_of, value_of, value_request
from panope_client.sync.connection import Connection
from panope_client.tensors import Array
from panope_client.values import Json


class InferCalls(Connection):
    """The calls of `Client` for any task."""

    def infer(
        self,
        inputs: Mapping[str, Array],
        model: str,
        output_names: Sequence[str] = (),
        *,
        priority: Priority | None = None,
        timeout: float | None = None,
    ) -> dict[str, Array]:
        """Runs a model on named arrays.

        Args:
            inputs: the model's inputs by name; see `model(name).inputs` once the model was loaded.
            model: `vendor/name`.
            output_names: which outputs to return, in this order; empty for all.
            priority: see the class.
            timeout: see the class.

        Returns:
            The outputs by name: read-only views of the response's bytes, or for texts arrays of `bytes` objects.

        Raises:
            InvalidArgumentError: an array's element type has no counterpart, such as dates.
        """
        request = infer_request(model, inputs, output_names)
        return outputs_of(self._call(self._infer.Infer, request, timeout, priority))

    def infer_value(
        self, value: Json, model: str, *, task: str = "", priority: Priority | None = None, timeout: float | None = None
    ) -> Any:
        """Runs a model on a task's value and returns the task's result, both as JSON's own types.

        For `embed` the value is a text, a list of texts, or a mapping with `texts` and options; the result is a list of
        vectors. For `generate` it is a prompt, a list of prompts, or a mapping with `prompts` or `messages` and
        options; the result is a mapping with `answers` and `usage`. Numbers come back as floats.

        Args:
            value: the input of the task.
            model: `vendor/name`.
            task: that the value is for; empty for the model's own.
            priority: see the class.
            timeout: see the class.

        Raises:
            InvalidArgumentError: the value holds what JSON cannot.
        """
        request = value_request(model, value, task)
        return value_of(self._call(self._infer.Infer, request, timeout, priority))
