"""Serves the routes that make videos."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection

import grpc
from google.api.httpbody_pb2 import HttpBody

from panope.rest.v1 import video_service_pb2_grpc as pb_grpc
from panope_server.tasks.vision.frame_interpolation import FrameInterpolationOutput
from panope_server.tasks.vision.video_generation import MEDIA_TYPES, VideoGenerationOutput
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interfaces import Pipeline
from panope_server.transport.rest.embedding.run import answered
from panope_server.transport.rest.forms.origins import refuse_other_origins
from panope_server.transport.rest.hugging_face.calls import call_with
from panope_server.transport.rest.json.query import unknown_of
from panope_server.transport.rest.json.requests import RequestBody, off_loop
from panope_server.transport.rest.json.responses import messages_of
from panope_server.transport.rest.video.interpolation import INTERPOLATION_NAMES, interpolation_call
from panope_server.transport.rest.video.schemas import NAMES, VideoGenerationBody, input_of
from panope_server.transport.services import Services

_BODY = RequestBody(VideoGenerationBody)


class VideoRestServicer(pb_grpc.VideoServiceServicer):
    """Serves panope.rest.v1.VideoService."""

    def __init__(self, pipeline: Pipeline, origins: Collection[str] = (), *, report_unknown: bool = False) -> None:
        self._pipeline = pipeline
        self._origins = origins
        self._report_unknown = report_unknown

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        settings = services.settings
        servicer = cls(services.pipeline, settings.cors_origins, report_unknown=settings.unknown_fields == "report")
        pb_grpc.add_VideoServiceServicer_to_server(servicer, server)

    async def GenerateVideo(self, request: HttpBody, context: Context) -> AsyncIterator[HttpBody]:
        """Draws a video by a text."""
        unknown = unknown_of(context, report=self._report_unknown)
        body = await off_loop(len(request.data), _BODY.read, request, unknown)
        call = call_with(
            body.options,
            context,
            model=body.model or "",
            task_input=input_of(body),
            task="video-generation",
            interface="VideoService/GenerateVideo",
        )
        output = await answered(self._pipeline, call, NAMES, single=False)
        assert isinstance(output, VideoGenerationOutput)
        assert output.video is not None
        unknown.tell(context)
        for message in messages_of(MEDIA_TYPES[body.output_format], output.video.content):
            yield message

    async def InterpolateVideo(self, request: HttpBody, context: Context) -> AsyncIterator[HttpBody]:
        """Makes frames between those of a video."""
        refuse_other_origins(context, self._origins)
        unknown = unknown_of(context, report=self._report_unknown)
        call, output_format = await interpolation_call(request, context, unknown, "VideoService/InterpolateVideo")
        output = await answered(self._pipeline, call, INTERPOLATION_NAMES, single=False)
        assert isinstance(output, FrameInterpolationOutput)
        assert output.video is not None
        unknown.tell(context)
        for message in messages_of(MEDIA_TYPES[output_format], output.video.content):
            yield message
