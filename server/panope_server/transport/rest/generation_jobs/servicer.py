"""Serves the routes that accept images, videos and frames of videos to generate by jobs."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import grpc
import structlog
from google.api.httpbody_pb2 import HttpBody

from panope.rest.v1 import generation_job_service_pb2_grpc as pb_grpc
from panope.rest.v1.path_pb2 import JobPath
from panope_backends.errors import CallerError
from panope_server.pipeline.call import Call
from panope_server.transport.field_names import FieldNames
from panope_server.transport.interceptors.context import Context, call_for, idempotency_key_of
from panope_server.transport.interfaces import GenerationJobs
from panope_server.transport.job_json import JobJson, job_id_of, job_json
from panope_server.transport.rest.forms.multipart import read_form
from panope_server.transport.rest.forms.origins import refuse_other_origins
from panope_server.transport.rest.hugging_face.calls import call_with
from panope_server.transport.rest.image_generation import openai_schemas as images
from panope_server.transport.rest.image_generation.edits import read_edit
from panope_server.transport.rest.json.query import query_of, unknown_of
from panope_server.transport.rest.json.refusals import Refusals
from panope_server.transport.rest.json.requests import RequestBody, off_loop
from panope_server.transport.rest.json.responses import accepted_response, json_response
from panope_server.transport.rest.panope.registry_schemas import AcceptedJson
from panope_server.transport.rest.video import schemas as videos
from panope_server.transport.rest.video.interpolation import INTERPOLATION_NAMES, interpolation_call
from panope_server.transport.services import Services

_IMAGES = RequestBody(images.ImageGenerationBody, Refusals(images.REFUSED))
_VIDEO = RequestBody(videos.VideoGenerationBody)
_FORM = "multipart/"
INTERFACE = "rest"


class GenerationJobRestServicer(pb_grpc.GenerationJobServiceServicer):
    """Serves panope.rest.v1.GenerationJobService."""

    def __init__(self, jobs: GenerationJobs, origins: Collection[str] = (), *, report_unknown: bool = False) -> None:
        self._jobs = jobs
        self._origins = origins
        self._report_unknown = report_unknown

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        settings = services.settings
        report = settings.unknown_fields == "report"
        servicer = cls(services.generation_jobs, settings.cors_origins, report_unknown=report)
        pb_grpc.add_GenerationJobServiceServicer_to_server(servicer, server)

    async def SubmitImages(self, request: HttpBody, context: Context) -> HttpBody:
        """Accepts images to generate, by a text, or by a form with an image too."""
        unknown = unknown_of(context, report=self._report_unknown)
        options: images.ImageOptions
        if request.content_type.lower().startswith(_FORM):
            refuse_other_origins(context, self._origins)
            form = await off_loop(len(request.data), read_form, request)
            task_input, options = read_edit(form, unknown)
        else:
            options = await off_loop(len(request.data), _IMAGES.read, request, unknown)
            task_input = images.input_of(options)
        if user := options.user or options.safety_identifier:
            structlog.contextvars.bind_contextvars(end_user=user)
        call = call_for(
            context,
            model=options.model or "",
            task_input=task_input,
            task="image-generation",
            interface="GenerationJobService/SubmitImages",
        )
        job = await self._submitted(call, images.NAMES, context)
        unknown.tell(context)
        return accepted_response(AcceptedJson(job=job), context)

    async def SubmitVideo(self, request: HttpBody, context: Context) -> HttpBody:
        """Accepts a video to generate."""
        unknown = unknown_of(context, report=self._report_unknown)
        body = await off_loop(len(request.data), _VIDEO.read, request, unknown)
        call = call_with(
            body.options,
            context,
            model=body.model or "",
            task_input=videos.input_of(body),
            task="video-generation",
            interface="GenerationJobService/SubmitVideo",
        )
        job = await self._submitted(call, videos.NAMES, context)
        unknown.tell(context)
        return accepted_response(AcceptedJson(job=job), context)

    async def SubmitInterpolation(self, request: HttpBody, context: Context) -> HttpBody:
        """Accepts a video to make frames between those of, by a form."""
        refuse_other_origins(context, self._origins)
        unknown = unknown_of(context, report=self._report_unknown)
        call, _ = await interpolation_call(request, context, unknown, "GenerationJobService/SubmitInterpolation")
        job = await self._submitted(call, INTERPOLATION_NAMES, context)
        unknown.tell(context)
        return accepted_response(AcceptedJson(job=job), context)

    async def DeleteJobFiles(self, request: JobPath, context: Context) -> HttpBody:
        """Removes the files of a job."""
        query_of(context)
        return json_response(job_json(await self._jobs.delete_files(job_id_of(request.job))))

    async def _submitted(self, call: Call, names: Mapping[str, str], context: Context) -> JobJson:
        try:
            return job_json(await self._jobs.submit(call, INTERFACE, idempotency_key_of(context)))
        except CallerError as error:
            raise error.renamed(FieldNames(names)) from None
