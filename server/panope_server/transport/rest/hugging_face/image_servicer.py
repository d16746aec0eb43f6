"""Runs the routes that take one image: each says what its body means, and writes the answer."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Self, TypeVar

from google.api.httpbody_pb2 import HttpBody

from panope_server.tasks.task import Input, Output
from panope_server.tasks.vision.images import Image
from panope_server.transport.answers import answer_of
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interfaces import Pipeline
from panope_server.transport.rest.hugging_face.calls import call_with
from panope_server.transport.rest.hugging_face.image_bodies import image_call
from panope_server.transport.rest.json.query import unknown_of
from panope_server.transport.rest.json.requests import RequestBody
from panope_server.transport.services import Services

ParametersT = TypeVar("ParametersT")
OutputT = TypeVar("OutputT", bound=Output)


@dataclass(frozen=True, kw_only=True)
class ImageRoute(Generic[ParametersT, OutputT]):
    """What one route means.

    Attributes:
        task: that it runs.
        body: how its JSON is read.
        parameters: of its body; those without a value stand for a body that has none.
        task_input: of an image and parameters. Raises InvalidInputError with the body's own names.
        output: of the task.
        names: what the body calls a field of the task's input.
        also: media types that are taken as images are.
    """

    task: str
    body: RequestBody[Any]
    parameters: Callable[[], ParametersT]
    task_input: Callable[[Image, ParametersT], Input]
    output: type[OutputT]
    names: Callable[[str], str]
    also: Collection[str] = ()


class ImageAnswer(NamedTuple, Generic[ParametersT, OutputT]):
    """What a model says of an image.

    Attributes:
        model: that answered, as the caller calls it.
        parameters: of the body, or their defaults.
        output: of the task.
    """

    model: str
    parameters: ParametersT
    output: OutputT


class ImageServicer:
    """What servicers of such routes share.

    Args:
        pipeline: runs calls.
        report_unknown: whether unknown fields are passed over and told of.
    """

    def __init__(self, pipeline: Pipeline, *, report_unknown: bool = False) -> None:
        self._pipeline = pipeline
        self._report_unknown = report_unknown

    @classmethod
    def of(cls, services: Services) -> Self:
        """The one that stands on a server's parts."""
        return cls(services.pipeline, report_unknown=services.settings.unknown_fields == "report")

    async def run(
        self,
        route: ImageRoute[ParametersT, OutputT],
        path_model: str,
        request: HttpBody,
        context: Context,
        interface: str,
    ) -> ImageAnswer[ParametersT, OutputT]:
        """Answers a body with the model of the path, or of the body.

        Raises:
            PanopeError: of any kind; fields have the body's names.
        """
        unknown = unknown_of(context, report=self._report_unknown)
        given = await image_call(path_model, request, context, route.body, unknown, route.also)
        parameters: ParametersT = given.parameters or route.parameters()
        task_input = route.task_input(given.image, parameters)
        call = call_with(
            given.options, context, model=given.model, task_input=task_input, task=route.task, interface=interface
        )
        output = await answer_of(self._pipeline, call, route.output, route.names)
        unknown.tell(context)
        return ImageAnswer(call.model, parameters, output)
