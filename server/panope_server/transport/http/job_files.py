"""The files that jobs have made, over plain HTTP: whole, in ranges, or their headers alone."""

from __future__ import annotations

from email.utils import format_datetime
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from panope_backends.errors import InvalidInputError
from panope_registry.models.published_files import ServedBlob
from panope_server.generation_jobs.jobs import ServedFile
from panope_server.transport.http.blobs import blob_response
from panope_server.transport.http.files import told
from panope_server.transport.job_json import job_id_of
from panope_server.transport.rest.openai.videos.schemas import checked, job_of


class JobFiles(Protocol):
    """What jobs have made, as the caller may have it."""

    async def file(self, job_id: int, name: str = "") -> ServedFile:
        """A file of a job, the first where none is named; NotFoundError when there is none, or none any more."""


def job_file_routes(files: JobFiles) -> list[Route]:
    """The routes; they take ranges, and answer HEAD too."""

    async def by_name(request: Request) -> Response:
        job_id = job_id_of(request.path_params["job"])
        return file_response(request, await files.file(job_id, request.path_params["name"]))

    async def of_video(request: Request) -> Response:
        variant = request.query_params.get("variant", "video")
        if variant != "video":
            raise InvalidInputError("`variant` must be `video`: nothing else is made", field="variant")
        served = await files.file(job_of(request.path_params["video"]))
        checked(served.job)
        return file_response(request, served)

    return [
        Route("/v1/jobs/{job}/files/{name}", told(by_name)),
        Route("/v1/videos/{video}/content", told(of_video)),
    ]


def file_response(request: Request, served: ServedFile) -> Response:
    """A file, with the time at which it goes."""
    file, until = served.file, served.job.files_until
    headers = {"cache-control": "private"}
    if until is not None:
        headers["expires"] = format_datetime(until, usegmt=True)
    blob = ServedBlob(file.sha256, file.size_bytes, served.path)
    return blob_response(request, blob, f"{served.job.id}-{file.name}", headers, file.media_type)
