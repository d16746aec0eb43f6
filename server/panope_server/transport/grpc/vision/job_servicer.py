"""GenerationJobService: translates and delegates."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager

import grpc

from panope.v1 import generation_job_service_pb2 as pb
from panope.v1 import generation_job_service_pb2_grpc as pb_grpc
from panope.v1.job_service_pb2 import Job
from panope_backends.errors import InvalidInputError
from panope_server.config import Limits
from panope_server.runtime.async_registry.threads import call_store
from panope_server.tasks.task import Input
from panope_server.transport.answers import renaming
from panope_server.transport.field_names import FieldNames
from panope_server.transport.grpc.fields import named_model
from panope_server.transport.grpc.registry.job_messages import file_message, id_of, job_message
from panope_server.transport.grpc.vision import generated_images, interpolate_video, video_servicer
from panope_server.transport.interceptors.context import Context, call_for, idempotency_key_of
from panope_server.transport.interfaces import GenerationJobs
from panope_server.transport.services import Services

_IMAGE_NAMES = FieldNames(generated_images.NAMES)

INTERFACE = "grpc"

#: Of one message of a stream.
_PIECE_BYTES = 256 << 10


class GenerationJobServicer(pb_grpc.GenerationJobServiceServicer):
    """Serves panope.v1.GenerationJobService."""

    def __init__(self, jobs: GenerationJobs, limits: Limits) -> None:
        self._jobs = jobs
        self._limits = limits

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        servicer = cls(services.generation_jobs, services.settings.limits)
        pb_grpc.add_GenerationJobServiceServicer_to_server(servicer, server)

    async def SubmitImages(self, request: pb.SubmitImagesRequest, context: Context) -> pb.SubmitImagesResponse:
        """Accepts images to generate."""
        wanted = request.request
        with _in_request(_IMAGE_NAMES):
            task_input = generated_images.input_of(wanted)
            job = await self._submitted(wanted.model, task_input, context, "image-generation", "SubmitImages")
        return pb.SubmitImagesResponse(job=job)

    async def SubmitVideo(self, request: pb.SubmitVideoRequest, context: Context) -> pb.SubmitVideoResponse:
        """Accepts a video to generate."""
        wanted = request.request
        with _in_request(video_servicer.NAMES):
            task_input = video_servicer.input_of(wanted)
            job = await self._submitted(wanted.model, task_input, context, "video-generation", "SubmitVideo")
        return pb.SubmitVideoResponse(job=job)

    async def SubmitInterpolation(
        self, request_iterator: AsyncIterator[pb.SubmitInterpolationRequest], context: Context
    ) -> pb.SubmitInterpolationResponse:
        """Accepts a video to make frames between those of."""
        wanted = (message.request async for message in request_iterator)
        with _in_request(interpolate_video.NAMES):
            model, task_input = await interpolate_video.read_requests(wanted, self._limits)
            job = await self._submitted(model, task_input, context, "frame-interpolation", "SubmitInterpolation")
        return pb.SubmitInterpolationResponse(job=job)

    async def ReadJobFile(
        self, request: pb.ReadJobFileRequest, context: Context
    ) -> AsyncIterator[pb.ReadJobFileResponse]:
        """Sends a file, in one message at least."""
        if not request.name:
            raise InvalidInputError("`name` is empty", field="name")
        served = await self._jobs.file(id_of(request.id), request.name)
        file, size = file_message(served.file.values), served.file.size_bytes
        end = min(size, request.offset + request.limit) if request.limit else size
        at = min(request.offset, end)
        with await call_store(served.path.open, "rb") as stream:
            await call_store(stream.seek, at)
            while True:
                content = await call_store(stream.read, min(_PIECE_BYTES, end - at))
                at += len(content)
                yield pb.ReadJobFileResponse(content=content, file=file)
                if at >= end or not content:
                    return

    async def DeleteJobFiles(self, request: pb.DeleteJobFilesRequest, context: Context) -> pb.DeleteJobFilesResponse:
        """Removes the files of a job."""
        job = await self._jobs.delete_files(id_of(request.id))
        return pb.DeleteJobFilesResponse(job=job_message(job))

    async def _submitted(self, model: str, task_input: Input, context: Context, task: str, method: str) -> Job:
        interface = f"GenerationJobService/{method}"
        call = call_for(context, model=named_model(model), task_input=task_input, task=task, interface=interface)
        return job_message(await self._jobs.submit(call, INTERFACE, idempotency_key_of(context)))


def _in_request(names: FieldNames) -> AbstractContextManager[None]:
    """Errors from within name the fields of what `request` holds; what has a hyphen is metadata, and no field."""
    return renaming(lambda path: path if "-" in path else f"request.{names(path)}")
