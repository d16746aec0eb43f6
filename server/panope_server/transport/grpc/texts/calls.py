"""Runs the calls of these services."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from panope.v1 import embed_service_pb2 as pb
from panope_server.tasks.task import Input, Output
from panope_server.transport.answers import answer_of
from panope_server.transport.field_names import FieldNames
from panope_server.transport.grpc.fields import named_model
from panope_server.transport.interceptors.context import Context, call_for
from panope_server.transport.interfaces import Pipeline

TRUNCATIONS: Mapping[int, str] = {
    pb.TRUNCATION_UNSPECIFIED: "refuse",
    pb.TRUNCATION_REFUSE: "refuse",
    pb.TRUNCATION_END: "end",
    pb.TRUNCATION_START: "start",
}

#: Fields that are called something else in a request.
_NAMES = FieldNames({"ignore_labels": "ignored.labels"})

T = TypeVar("T", bound=Output)


async def run(
    pipeline: Pipeline, context: Context, model: str, task_input: Input, kind: type[T], *, task: str, interface: str
) -> tuple[T, str]:
    """The answer, and the name of the model that gave it.

    Args:
        pipeline: runs calls.
        context: of the call.
        model: as the request names it.
        task_input: what it asks for.
        kind: of the answer.
        task: of the model.
        interface: as of `Call`.
    """
    call = call_for(context, model=named_model(model), task_input=task_input, task=task, interface=interface)
    answer = await answer_of(pipeline, call, kind, _NAMES)
    return answer, call.model
