"""Calls of bodies of the Inference API, whose model the path may name too."""

from __future__ import annotations

from panope_backends.errors import InvalidInputError
from panope_server.pipeline.call import NO_STORE, Call
from panope_server.tasks.task import Input
from panope_server.transport.interceptors.context import Context, call_for
from panope_server.transport.rest.hugging_face.schemas import CallOptions


def model_of(model: str | None, path_model: str = "") -> str:
    """The model of the path, or else of the body; empty where neither names one.

    Raises:
        InvalidInputError: they name two.
    """
    if path_model and model not in {None, path_model}:
        raise InvalidInputError("`model` is not the model of the path", field="model")
    return path_model or model or ""


def call_with(
    options: CallOptions | None, context: Context, *, model: str, task_input: Input, task: str, interface: str
) -> Call:
    """The call of a body with its `options`."""
    call = call_for(context, model=model, task_input=task_input, task=task, interface=interface)
    call.wait = call.wait or bool(options and options.wait_for_model)
    if options and options.use_cache is False:
        call.cache_control = NO_STORE
    return call
