"""The store's files over plain HTTP, by sha256 and by model and path.

They are served by the small HTTP app and not through gRPC: a file of many gigabytes is the kernel's work.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from panope_backends.errors import NotFoundError, PanopeError
from panope_registry.models.commits import PublishedFile, PublishedRevision
from panope_registry.models.published_files import ServedBlob
from panope_server.runtime.async_registry.threads import call_registry, call_store
from panope_server.transport.http import path_convertors
from panope_server.transport.http.blobs import blob_response
from panope_server.transport.http.json import error_response

_SHA256 = re.compile(r"[0-9a-f]{64}")

Handler = Callable[[Request], Awaitable[Response]]


class Files(Protocol):
    """What the store holds."""

    def revision(self, name: str, wanted: str = "main") -> PublishedRevision:
        """A model's files at one commit; NotFoundError when there is none."""

    def blob(self, sha256: str) -> ServedBlob:
        """Verified bytes; NotFoundError when they are not here, DataLossError when they are damaged."""


def file_routes(files: Files) -> list[Route]:
    """The routes; those with a file take ranges and answer HEAD too."""

    async def by_sha256(request: Request) -> Response:
        sha256 = request.path_params["sha256"]
        if not _SHA256.fullmatch(sha256):
            raise NotFoundError("there is no such file in the store", reason="entry_not_found")
        return blob_response(request, await call_store(files.blob, sha256), sha256, {})

    async def resolve(request: Request) -> Response:
        revision = await _revision(request)
        path = request.path_params["path"]
        file = next((file for file in _here(revision) if file.path == path), None)
        if file is None:
            raise NotFoundError("the model has no such file here", reason="entry_not_found", field="path")
        blob = await call_store(files.blob, file.sha256)
        headers = {"x-repo-commit": revision.commit}
        return blob_response(request, blob, path.rpartition("/")[2], headers)

    async def _revision(request: Request) -> PublishedRevision:
        return await call_registry(files.revision, request.path_params["repo"])

    path_convertors.register()
    found: list[tuple[str, Handler]] = [
        ("/v1/files/{sha256}", by_sha256),
        ("/v1/model/{repo:repo}/files/{path:path}", resolve),
    ]
    return [Route(path, told(handler)) for path, handler in found]


def told(handler: Handler) -> Handler:
    """Turns errors into answers."""

    async def handle(request: Request) -> Response:
        try:
            return await handler(request)
        except PanopeError as error:
            return error_response(error)

    return handle


def _here(revision: PublishedRevision) -> list[PublishedFile]:
    return [file for file in revision.files if file.is_local]
