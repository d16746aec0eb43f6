"""Serves the routes that draw images."""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator, Collection, Mapping

import grpc
import structlog
from google.api.httpbody_pb2 import HttpBody

from panope.rest.v1 import image_generation_service_pb2_grpc as pb_grpc
from panope.rest.v1.path_pb2 import ModelPathWithBody
from panope_backends.errors import InvalidInputError
from panope_server.pipeline.call import Call
from panope_server.tasks.vision.image_generation import ImageGenerationInput, ImageGenerationOutput
from panope_server.tasks.vision.images import image_in
from panope_server.transport.interceptors.context import Context, call_for
from panope_server.transport.interfaces import Pipeline
from panope_server.transport.rest.embedding.run import answered
from panope_server.transport.rest.forms.multipart import read_form
from panope_server.transport.rest.forms.origins import refuse_other_origins
from panope_server.transport.rest.hugging_face.calls import call_with, model_of
from panope_server.transport.rest.image_generation import hugging_face_schemas as hugging_face
from panope_server.transport.rest.image_generation.edits import read_edit
from panope_server.transport.rest.image_generation.openai_schemas import (
    NAMES,
    REFUSED,
    ImageGenerationBody,
    ImageJson,
    ImageOptions,
    ImagesJson,
    input_of,
)
from panope_server.transport.rest.json.query import unknown_of
from panope_server.transport.rest.json.refusals import Refusals
from panope_server.transport.rest.json.requests import RequestBody, off_loop
from panope_server.transport.rest.json.responses import in_pieces, json_response, messages_of
from panope_server.transport.rest.json.unknown_fields import UnknownFields
from panope_server.transport.services import Services

_TASK = "image-generation"
#: Azure's clients say the version that they speak.
_NEUTRAL = ("api-version",)

_BODY = RequestBody(ImageGenerationBody, Refusals(REFUSED))
_TEXT = RequestBody(hugging_face.TextToImageBody)
_IMAGE = RequestBody(hugging_face.ImageToImageBody)


class ImageGenerationServicer(pb_grpc.ImageGenerationServiceServicer):
    """Serves panope.rest.v1.ImageGenerationService."""

    def __init__(self, pipeline: Pipeline, origins: Collection[str] = (), *, report_unknown: bool = False) -> None:
        self._pipeline = pipeline
        self._origins = origins
        self._report_unknown = report_unknown

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        settings = services.settings
        servicer = cls(services.pipeline, settings.cors_origins, report_unknown=settings.unknown_fields == "report")
        pb_grpc.add_ImageGenerationServiceServicer_to_server(servicer, server)

    async def CreateImage(self, request: HttpBody, context: Context) -> AsyncIterator[HttpBody]:
        """Generates images by a text."""
        unknown = unknown_of(context, _NEUTRAL, report=self._report_unknown)
        body = await off_loop(len(request.data), _BODY.read, request, unknown)
        async for message in self._images(input_of(body), body, context, "CreateImage", unknown):
            yield message

    async def CreateImageEdit(self, request: HttpBody, context: Context) -> AsyncIterator[HttpBody]:
        """Generates images by a text and an image."""
        refuse_other_origins(context, self._origins)
        unknown = unknown_of(context, _NEUTRAL, report=self._report_unknown)
        form = await off_loop(len(request.data), read_form, request)
        task_input, told = read_edit(form, unknown)
        async for message in self._images(task_input, told, context, "CreateImageEdit", unknown):
            yield message

    async def TextToImage(self, request: HttpBody, context: Context) -> AsyncIterator[HttpBody]:
        """Generates an image by a text, with the model of the body."""
        async for message in self._text_to_image("", request, context, "TextToImage"):
            yield message

    async def TextToImageModel(self, request: ModelPathWithBody, context: Context) -> AsyncIterator[HttpBody]:
        """Generates an image by a text, with the model of the path."""
        async for message in self._text_to_image(request.model, request.body, context, "TextToImageModel"):
            yield message

    async def ImageToImage(self, request: HttpBody, context: Context) -> AsyncIterator[HttpBody]:
        """Generates an image by another, with the model of the body."""
        async for message in self._image_to_image("", request, context, "ImageToImage"):
            yield message

    async def ImageToImageModel(self, request: ModelPathWithBody, context: Context) -> AsyncIterator[HttpBody]:
        """Generates an image by another, with the model of the path."""
        async for message in self._image_to_image(request.model, request.body, context, "ImageToImageModel"):
            yield message

    async def _images(
        self,
        task_input: ImageGenerationInput,
        options: ImageOptions,
        context: Context,
        method: str,
        unknown: UnknownFields,
    ) -> AsyncIterator[HttpBody]:
        """The images in OpenAI's JSON."""
        if user := options.user or options.safety_identifier:
            structlog.contextvars.bind_contextvars(end_user=user)
        interface = f"ImageGenerationService/{method}"
        call = call_for(context, model=options.model or "", task_input=task_input, task=_TASK, interface=interface)
        output = await self._output(call, NAMES)
        unknown.tell(context)
        size = sum(len(each.content) for each in output.images)
        answer = await off_loop(size, _answer, output, task_input)
        for message in in_pieces(answer):
            yield message

    async def _text_to_image(
        self, path_model: str, request: HttpBody, context: Context, method: str
    ) -> AsyncIterator[HttpBody]:
        unknown = unknown_of(context, report=self._report_unknown)
        body = await off_loop(len(request.data), _TEXT.read, request, unknown)
        how = body.parameters or hugging_face.TextToImageParameters()
        task_input = hugging_face.drawing(body.inputs, how, how.width or 0, how.height or 0)
        call = call_with(
            body.options,
            context,
            model=model_of(body.model, path_model),
            task_input=task_input,
            task=_TASK,
            interface=f"ImageGenerationService/{method}",
        )
        async for message in self._file(call, task_input, context, unknown, hugging_face.NAMES):
            yield message

    async def _image_to_image(
        self, path_model: str, request: HttpBody, context: Context, method: str
    ) -> AsyncIterator[HttpBody]:
        unknown = unknown_of(context, report=self._report_unknown)
        body = await off_loop(len(request.data), _IMAGE.read, request, unknown)
        how = body.parameters
        size = how.target_size or hugging_face.TargetSize(0, 0)
        task_input = hugging_face.drawing(how.prompt, how, size.width, size.height)
        task_input.strength = how.strength
        task_input.image = image_in(body.inputs, "inputs")
        if how.mask_image is not None:
            task_input.mask = image_in(how.mask_image, "parameters.mask_image")
        call = call_with(
            body.options,
            context,
            model=model_of(body.model, path_model),
            task_input=task_input,
            task=_TASK,
            interface=f"ImageGenerationService/{method}",
        )
        async for message in self._file(call, task_input, context, unknown, hugging_face.NAMES_OF_IMAGE):
            yield message

    async def _file(
        self,
        call: Call,
        task_input: ImageGenerationInput,
        context: Context,
        unknown: UnknownFields,
        names: Mapping[str, str],
    ) -> AsyncIterator[HttpBody]:
        """The only image, as a file.

        Raises:
            InvalidInputError: the model's safety checker took offence, which a file could not tell.
        """
        (image,) = (await self._output(call, names)).images
        if image.flagged:
            raise InvalidInputError("the model's safety checker took offence at the image", reason="flagged_image")
        unknown.tell(context)
        for message in messages_of(f"image/{task_input.output_format}", image.content):
            yield message

    async def _output(self, call: Call, names: Mapping[str, str]) -> ImageGenerationOutput:
        output = await answered(self._pipeline, call, names, single=False)
        assert isinstance(output, ImageGenerationOutput)
        return output


def _answer(output: ImageGenerationOutput, task_input: ImageGenerationInput) -> HttpBody:
    first = output.images[0]
    images = [ImageJson(base64.b64encode(each.content).decode(), each.seed, each.flagged) for each in output.images]
    size = f"{first.width}x{first.height}"
    return json_response(ImagesJson(int(time.time()), images, "opaque", task_input.output_format, size))
