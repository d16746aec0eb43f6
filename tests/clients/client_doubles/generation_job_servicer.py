"""The fake server's generations by jobs."""

# ruff: noqa: N802 -- gRPC names the methods

from __future__ import annotations

from collections.abc import AsyncIterator

from client_doubles.calls import Calls, Context
from panope.v1 import generation_job_service_pb2 as pb
from panope.v1 import generation_job_service_pb2_grpc as pb_grpc
from panope.v1.job_service_pb2 import Job, JobFile

CONTENT = bytes(range(200))


class GenerationJobServicer(Calls, pb_grpc.GenerationJobServiceServicer):
    """Accepts everything as job 7, whose file comes in pieces of 64 bytes."""

    async def SubmitImages(self, request: pb.SubmitImagesRequest, context: Context) -> pb.SubmitImagesResponse:
        await self.enter(request, context)
        return pb.SubmitImagesResponse(job=Job(id=7, kind="generate_images"))

    async def SubmitVideo(self, request: pb.SubmitVideoRequest, context: Context) -> pb.SubmitVideoResponse:
        await self.enter(request, context)
        return pb.SubmitVideoResponse(job=Job(id=7, kind="generate_video"))

    async def SubmitInterpolation(
        self, request_iterator: AsyncIterator[pb.SubmitInterpolationRequest], context: Context
    ) -> pb.SubmitInterpolationResponse:
        async for message in request_iterator:
            await self.enter(message.request, context)
        return pb.SubmitInterpolationResponse(job=Job(id=7, kind="interpolate_video"))

    async def ReadJobFile(
        self, request: pb.ReadJobFileRequest, context: Context
    ) -> AsyncIterator[pb.ReadJobFileResponse]:
        await self.enter(request, context)
        content = CONTENT[request.offset :][: request.limit or None]
        for at in range(0, len(content), 64):
            yield pb.ReadJobFileResponse(content=content[at : at + 64], file=JobFile(name=request.name))

    async def DeleteJobFiles(self, request: pb.DeleteJobFilesRequest, context: Context) -> pb.DeleteJobFilesResponse:
        await self.enter(request, context)
        return pb.DeleteJobFilesResponse(job=Job(id=request.id))
