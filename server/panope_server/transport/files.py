"""The store's files over plain HTTP: by sha256, by model and path, and by the hub's own read routes under `/hub`.

They are served by the small HTTP app and not through gRPC: a file of many gigabytes is the kernel's work. With
`HF_ENDPOINT=http://HOST:8000/hub` the hub's clients pull what this store holds; files that it does not hold are not
listed.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from panope_backends.errors import DataLossError, NotFoundError, PanopeError
from panope_registry.serving import ServedBlob, ServedFile, ServedRevision
from panope_server.transport.errors import code_of, field_of, message_of, openai_type_of
from panope_server.transport.http_json import error_json, json_response

_SHA256 = re.compile(r"[0-9a-f]{64}")

#: The hub's word for each of our reasons; its clients raise by it.
_HUB_CODES = {
    "repo_not_found": "RepoNotFound",
    "revision_not_found": "RevisionNotFound",
    "entry_not_found": "EntryNotFound",
}

Handler = Callable[[Request], Awaitable[Response]]


class Files(Protocol):
    """What the store holds."""

    def revision(self, name: str, wanted: str = "main") -> ServedRevision:
        """A model's files at one commit; NotFoundError when there is none."""

    def blob(self, sha256: str) -> ServedBlob:
        """Verified bytes; NotFoundError when they are not here, DataLossError when they are damaged."""


def file_routes(files: Files) -> list[Route]:
    """The routes; those with a file take ranges and answer HEAD too."""

    async def by_sha256(request: Request) -> Response:
        sha256 = request.path_params["sha256"]
        if not _SHA256.fullmatch(sha256):
            raise NotFoundError("there is no such file in the store", reason="entry_not_found")
        return _bytes(request, await asyncio.to_thread(files.blob, sha256), name=sha256, headers={})

    async def model_info(request: Request) -> Response:
        revision = await _revision(request)
        return json_response(_info(revision, with_blobs=request.query_params.get("blobs") in ("true", "1", "True")))

    async def tree(request: Request) -> Response:
        return json_response([_entry(file) for file in _here(await _revision(request))])

    async def resolve(request: Request) -> Response:
        revision = await _revision(request)
        path = request.path_params["path"]
        file = next((file for file in _here(revision) if file.path == path), None)
        if file is None:
            raise NotFoundError("the model has no such file here", reason="entry_not_found", field="path")
        blob = await asyncio.to_thread(files.blob, file.sha256)
        headers = {
            "x-repo-commit": revision.commit,
            "x-linked-etag": f'"{file.sha256}"',
            "x-linked-size": str(file.size_bytes),
        }
        return _bytes(request, blob, name=path.rpartition("/")[2], headers=headers)

    async def _revision(request: Request) -> ServedRevision:
        given = request.path_params
        return await asyncio.to_thread(files.revision, f"{given['vendor']}/{given['name']}", given.get("rev", "main"))

    api, repo = "/hub/api/models/{vendor}/{name}", "/hub/{vendor}/{name}"
    found: list[tuple[str, Handler]] = [
        ("/v1/files/{sha256}", by_sha256),
        ("/v1/model/{vendor}/{name}/files/{path:path}", resolve),
        (api, model_info),
        (f"{api}/revision/{{rev}}", model_info),
        (f"{api}/tree/{{rev}}", tree),
        (f"{repo}/resolve/{{rev}}/{{path:path}}", resolve),
    ]
    return [Route(path, _told(handler)) for path, handler in found]


def _told(handler: Handler) -> Handler:
    """Turns errors into answers, with the header that the hub's clients read."""

    async def handle(request: Request) -> Response:
        try:
            return await handler(request)
        except PanopeError as error:
            status = 404 if isinstance(error, NotFoundError) else 503 if not isinstance(error, DataLossError) else 500
            message = message_of(error)
            body = error_json(message, openai_type_of(error), error.reason, field_of(error) or None)
            code = _HUB_CODES.get(error.reason, code_of(error).name)
            # A header is ASCII; our sentences name what callers sent.
            words = message.encode("ascii", "replace").decode()
            return json_response(body, status, {"x-error-code": code, "x-error-message": words})

    return handle


def _bytes(request: Request, blob: ServedBlob, *, name: str, headers: Mapping[str, str]) -> Response:
    etag = f'"{blob.sha256}"'
    told = {
        **headers,
        "etag": etag,
        "accept-ranges": "bytes",
        # A browser must not run what a model's repo brought.
        "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox",
    }
    if etag in [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=told)
    return FileResponse(blob.path, headers=told, media_type="application/octet-stream", filename=name)


def _here(revision: ServedRevision) -> list[ServedFile]:
    return [file for file in revision.files if file.is_here]


def _info(revision: ServedRevision, *, with_blobs: bool) -> dict[str, Any]:
    siblings = [
        {"rfilename": file.path, **({"size": file.size_bytes, **_hashes(file, "blobId")} if with_blobs else {})}
        for file in _here(revision)
    ]
    created = revision.created_at.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return {
        "id": revision.name,
        "modelId": revision.name,
        "sha": revision.commit,
        "createdAt": created,
        "lastModified": created,
        "private": False,
        "gated": False,
        "disabled": False,
        "pipeline_tag": revision.task or None,
        "library_name": revision.library_name or None,
        "tags": [],
        "siblings": siblings,
    }


def _entry(file: ServedFile) -> dict[str, Any]:
    return {"type": "file", "path": file.path, "size": file.size_bytes, **_hashes(file, "oid")}


def _hashes(file: ServedFile, oid: str) -> dict[str, Any]:
    # Every file is told as a large one, for those have a sha256, by which clients can verify them.
    lfs = {"oid": file.sha256, "sha256": file.sha256, "size": file.size_bytes, "pointerSize": 134}
    return {oid: file.sha256[:40], "lfs": lfs}
