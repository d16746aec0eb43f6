"""Serves OpenAI's videos: each is a job."""

from __future__ import annotations

from collections.abc import Mapping

import grpc
from google.api.httpbody_pb2 import HttpBody

from panope.rest.v1 import openai_video_service_pb2_grpc as pb_grpc
from panope.rest.v1.openai_video_service_pb2 import VideoPath
from panope.rest.v1.path_pb2 import NoPath
from panope_backends.errors import CallerError, InvalidInputError, NotFoundError
from panope_registry.jobs import JobEntry
from panope_registry.jobs.kinds import GENERATE_VIDEO
from panope_server.tasks.vision.diffusion_spec import DiffusionSpec
from panope_server.transport.field_names import FieldNames
from panope_server.transport.interceptors.context import Context, call_for, idempotency_key_of
from panope_server.transport.interfaces import GenerationJobs, Jobs, Models
from panope_server.transport.paging import MAX_PAGE_SIZE
from panope_server.transport.rest.forms.multipart import read_form
from panope_server.transport.rest.forms.origins import refuse_other_origins
from panope_server.transport.rest.json.query import number_of, query_of, unknown_of
from panope_server.transport.rest.json.requests import RequestBody, off_loop
from panope_server.transport.rest.json.responses import json_response
from panope_server.transport.rest.openai.videos.form import read_video_form
from panope_server.transport.rest.openai.videos.schemas import (
    INPUT_REFERENCE,
    DeletedVideoJson,
    VideoForm,
    VideosJson,
    checked,
    input_of,
    job_of,
    video_json,
    video_not_found,
)
from panope_server.transport.services import Services

_JSON = RequestBody(VideoForm)
_FORM = "multipart/"
_NAMES = FieldNames({"width": "size", "height": "size", "frames": "seconds", "image": INPUT_REFERENCE})
_DEFAULT_LIMIT = 20
INTERFACE = "rest"


class OpenAiVideoServicer(pb_grpc.OpenAiVideoServiceServicer):
    """Serves panope.rest.v1.OpenAiVideoService."""

    def __init__(self, services: Services) -> None:
        self._generation_jobs: GenerationJobs = services.generation_jobs
        self._jobs: Jobs = services.jobs
        self._models: Models = services.models
        self._origins = services.settings.cors_origins
        self._report_unknown = services.settings.unknown_fields == "report"

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        pb_grpc.add_OpenAiVideoServiceServicer_to_server(cls(services), server)

    async def CreateVideo(self, request: HttpBody, context: Context) -> HttpBody:
        """Asks for a video."""
        unknown = unknown_of(context, report=self._report_unknown)
        if request.content_type.lower().startswith(_FORM):
            refuse_other_origins(context, self._origins)
            form, image = read_video_form(await off_loop(len(request.data), read_form, request), unknown)
        else:
            image, form = None, await off_loop(len(request.data), _JSON.read, request, unknown)
        call = call_for(
            context,
            model=form.model or "",
            task_input=input_of(form, image, await self._spec_of(form)),
            task="video-generation",
            interface="OpenAiVideoService/CreateVideo",
        )
        try:
            job = await self._generation_jobs.submit(call, INTERFACE, idempotency_key_of(context))
        except CallerError as error:
            raise error.renamed(_NAMES) from None
        unknown.tell(context)
        return json_response(video_json(job))

    async def ListVideos(self, request: NoPath, context: Context) -> HttpBody:
        """Lists the caller's videos, newest first."""
        query = query_of(context, ("after", "limit", "order"))
        limit = number_of(query, "limit", default=_DEFAULT_LIMIT, least=1, most=MAX_PAGE_SIZE)
        if query.get("order", "desc") != "desc":
            raise InvalidInputError("`order` must be `desc`: the newest come first", field="order")
        after = _after_of(query)
        found = await self._jobs.list(kind=GENERATE_VIDEO, after=after, limit=limit + 1)
        videos = [video_json(job) for job in found[:limit]]
        first, last = (videos[0].id, videos[-1].id) if videos else (None, None)
        return json_response(VideosJson("list", videos, first, last, has_more=len(found) > limit))

    async def GetVideo(self, request: VideoPath, context: Context) -> HttpBody:
        """Tells of a video."""
        query_of(context)
        return json_response(video_json(await self._job(request.video)))

    async def DeleteVideo(self, request: VideoPath, context: Context) -> HttpBody:
        """Removes a video's file, or cancels what is not done."""
        query_of(context)
        job = await self._job(request.video)
        if job.status.is_final:
            await self._generation_jobs.delete_files(job.id)
        else:
            await self._jobs.cancel(job.id)
        return json_response(DeletedVideoJson(request.video, "video.deleted", deleted=True))

    async def _job(self, video: str) -> JobEntry:
        try:
            return checked(await self._jobs.get(job_of(video)))
        except NotFoundError:
            raise video_not_found() from None

    async def _spec_of(self, form: VideoForm) -> DiffusionSpec | None:
        """What is known of the model, where the duration depends on it; a model that there is not is refused later."""
        if form.seconds is None or form.model is None:
            return None
        try:
            return (await self._models.get(form.model)).diffusion
        except NotFoundError:
            return None


def _after_of(query: Mapping[str, str]) -> int:
    """The job of the video that the page before ended with; 0 for the first page."""
    if "after" not in query:
        return 0
    try:
        return job_of(query["after"])
    except NotFoundError:
        raise InvalidInputError("`after` must be the id of a video", field="after") from None
