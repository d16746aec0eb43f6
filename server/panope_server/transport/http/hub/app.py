"""The routes below `/hub`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NotRequired, Protocol, TypedDict
from urllib.parse import parse_qs

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from panope_backends.errors import InvalidInputError, NotFoundError, PanopeError
from panope_registry.models.commits import PublishedFile, PublishedRevision
from panope_registry.models.published_files import ServedBlob
from panope_server.runtime.async_registry.threads import call_registry, call_store
from panope_server.transport.http import path_convertors
from panope_server.transport.http.blobs import BYTES, TEXT, blob_response
from panope_server.transport.http.hub import models
from panope_server.transport.http.hub.errors import answer_error, answer_refusal
from panope_server.transport.http.hub.queries import HubQuery
from panope_server.transport.http.hub.trees import EntryJson, LastCommitJson, entries_at, tree_of
from panope_server.transport.http.json import json_response

MAX_BODY_BYTES = 1 << 20
MOST_ENTRIES = 10_000
MOST_COMMITS = 1000
_MOST_SEGMENTS = 8
"""Of a revision's name."""


class Library(Protocol):
    """What the store holds."""

    def revision(self, name: str, wanted: str = "main") -> PublishedRevision:
        """A model's files at one commit; NotFoundError when there is none."""

    def history(self, name: str, wanted: str = "main") -> Sequence[PublishedRevision]:
        """That commit and the older ones, the newest first, without their files."""

    def models(self, search: str = "", vendor: str = "") -> Sequence[PublishedRevision]:
        """The models with files here, by name, without their files."""

    def blob(self, sha256: str) -> ServedBlob:
        """Verified bytes; NotFoundError when they are not here, DataLossError when they are damaged."""


class PathsBody(msgspec.Struct):
    """The body of POST /hub/api/models/{repo}/paths-info/{revision}.

    Attributes:
        paths: of files and folders.
        expand: whether to tell of the last commit too.
    """

    paths: list[str]
    expand: bool = False


class RefJson(TypedDict):
    """A branch."""

    name: str
    ref: str
    targetCommit: str


class RefsJson(TypedDict):
    """The branches of a model."""

    branches: list[RefJson]
    converts: list[RefJson]
    tags: list[RefJson]
    pullRequests: list[RefJson]


class UserJson(TypedDict):
    """Who made a commit."""

    user: str


class CommitJson(TypedDict):
    """A commit."""

    id: str
    title: str
    message: str
    authors: list[UserJson]
    date: str
    formatted: NotRequired[dict[str, str]]


class _Handlers:
    """The handlers of the routes; each asks the registry in a thread."""

    def __init__(self, library: Library) -> None:
        self._library = library

    async def models(self, request: Request) -> Response:
        query = HubQuery(request, (*models.FILTERS, *models.ORDER, *models.DETAILS))
        parts = models.listed_parts(query)
        search, author = query.text("search"), query.text("author")
        found = models.chosen(await call_registry(self._library.models, search, author), query)
        page, headers = query.page(found, most=models.MOST)
        if {"siblings", "usedStorage"} & set(parts):
            page = [await call_registry(self._library.revision, model.name) for model in page]
        return json_response([models.listed(model, parts) for model in page], headers=headers)

    async def info(self, request: Request) -> Response:
        query = HubQuery(request, ("blobs", "expand", "securityStatus"))
        return json_response(models.info_of(await self._revision(request), query))

    async def tree(self, request: Request) -> Response:
        query = HubQuery(request, ("recursive", "expand", "limit", "cursor"))
        revision, below = await self._at(request)
        entries = tree_of(_here(revision), below.strip("/"), recursive=query.boolean("recursive"))
        page, headers = query.page(entries, most=MOST_ENTRIES)
        return json_response(_dated(page, revision, expand=query.boolean("expand")), headers=headers)

    async def paths(self, request: Request) -> Response:
        HubQuery(request)
        revision, body = await self._revision(request), await _paths_of(request)
        return json_response(_dated(entries_at(_here(revision), body.paths), revision, expand=body.expand))

    async def refs(self, request: Request) -> Response:
        HubQuery(request, ("include_prs",))
        served = await self._revision(request)
        names = dict.fromkeys(name for name in ("main", served.ref) if name and name != served.commit)
        branches = [RefJson(name=name, ref=f"refs/heads/{name}", targetCommit=served.commit) for name in names]
        return json_response(RefsJson(branches=branches, converts=[], tags=[], pullRequests=[]))

    async def commits(self, request: Request) -> Response:
        query = HubQuery(request, ("expand", "limit", "cursor", "p"))
        given = request.path_params
        history = await call_registry(self._library.history, given["repo"], given["revision"])
        formatted = "formatted" in query.texts("expand")
        limit = query.number("limit", default=MOST_COMMITS, least=1, most=MOST_COMMITS)
        skipped = history[limit * query.number("p", default=0, least=0, most=1 << 31) :]
        page, headers = query.page(skipped, most=MOST_COMMITS)
        told = [_commit(each, formatted=formatted) for each in page]
        return json_response(told, headers={**headers, "x-total-count": str(len(history))})

    async def resolve(self, request: Request) -> Response:
        return await self._file(request, BYTES)

    async def raw(self, request: Request) -> Response:
        return await self._file(request, TEXT)

    async def _file(self, request: Request, media: str) -> Response:
        HubQuery(request, ("download",))
        revision, path = await self._at(request)
        file = next((file for file in _here(revision) if file.path == path), None)
        if file is None:
            raise NotFoundError("the model has no such file here", reason="entry_not_found", field="path")
        blob = await call_store(self._library.blob, file.sha256)
        headers = {
            "x-repo-commit": revision.commit,
            "x-linked-etag": f'"{file.sha256}"',
            "x-linked-size": str(file.size_bytes),
        }
        name = path.rpartition("/")[2] if media == BYTES else ""
        return blob_response(request, blob, name, headers, media)

    async def _revision(self, request: Request) -> PublishedRevision:
        given = request.path_params
        return await call_registry(self._library.revision, given["repo"], given.get("revision", "main"))

    async def _at(self, request: Request) -> tuple[PublishedRevision, str]:
        return await call_registry(self._parted, request.path_params["repo"], request.path_params["place"])

    def _parted(self, repo: str, place: str) -> tuple[PublishedRevision, str]:
        """A revision, whose name may have slashes, and the path behind it."""
        parts = place.split("/")
        for end in range(1, min(len(parts), _MOST_SEGMENTS) + 1):
            try:
                return self._library.revision(repo, "/".join(parts[:end])), "/".join(parts[end:])
            except NotFoundError as error:
                if error.reason != "revision_not_found":
                    raise
        raise NotFoundError("the model has no such revision", reason="revision_not_found", field="revision")


def hub_routes(library: Library) -> list[BaseRoute]:
    """Everything below `/hub`, as routes for another application."""
    path_convertors.register()
    does = _Handlers(library)
    api = "/api/models/{repo:repo}"
    app = Starlette(
        routes=[
            Route("/api/models", does.models),
            Route(f"{api}/refs", does.refs),
            Route(f"{api}/commits/{{revision:path}}", does.commits),
            Route(f"{api}/tree/{{place:path}}", does.tree),
            Route(f"{api}/paths-info/{{revision:path}}", does.paths, methods=["POST"]),
            Route("/api/models/{rest:path}/paths-info/{revision:path}", _nothing, methods=["POST"]),
            Route(f"{api}/revision/{{revision:path}}", does.info),
            Route(api, does.info),
            *(Route(f"{prefix}/{{rest:path}}", _no_repo) for kind in ("datasets", "spaces") for prefix in _both(kind)),
            Route("/{repo:repo}/resolve/{place:path}", does.resolve),
            Route("/{repo:repo}/raw/{place:path}", does.raw),
            Route("/{rest:path}", _nothing),
        ],
        exception_handlers={PanopeError: answer_error, HTTPException: answer_refusal},
    )
    return [Route("/hub/{rest:lines}", _unreadable, methods=["GET", "POST", "PUT", "DELETE"]), Mount("/hub", app)]


def _both(kind: str) -> tuple[str, str]:
    return f"/{kind}", f"/api/{kind}"


async def _no_repo(_: Request) -> Response:
    raise NotFoundError("this server holds models, no datasets or spaces", reason="repo_not_found")


async def _nothing(_: Request) -> Response:
    raise HTTPException(404)


async def _unreadable(request: Request) -> Response:
    return await answer_refusal(request, HTTPException(404))


def _here(revision: PublishedRevision) -> list[PublishedFile]:
    return [file for file in revision.files if file.is_local]


def _dated(entries: Sequence[EntryJson], revision: PublishedRevision, *, expand: bool) -> Sequence[EntryJson]:
    if not expand:
        return entries
    last = LastCommitJson(id=revision.commit, title=_title(revision), date=models.moment(revision.created_at))
    return [{**entry, "lastCommit": last} for entry in entries]


def _commit(revision: PublishedRevision, *, formatted: bool) -> CommitJson:
    told: CommitJson = {
        "id": revision.commit,
        "title": _title(revision),
        "message": "",
        "authors": [{"user": revision.name.rpartition("/")[0]}],
        "date": models.moment(revision.created_at),
    }
    if formatted:
        told["formatted"] = {"title": _title(revision), "message": ""}
    return told


def _title(revision: PublishedRevision) -> str:
    """Commits come here without their messages."""
    return f"Commit {revision.commit[:12]}"


async def _paths_of(request: Request) -> PathsBody:
    """The body, in either of the forms in which the hub's clients send it."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("application/json", "application/x-www-form-urlencoded"):
        raise HTTPException(415)
    data = await _body_of(request)
    try:
        if kind == "application/json":
            return msgspec.json.decode(data, type=PathsBody)
        fields = parse_qs(data.decode(), keep_blank_values=True)
        expand = fields.get("expand", ["false"])[-1].lower() == "true"
        return PathsBody([*fields.get("paths", []), *fields.get("paths[]", [])], expand)
    except (msgspec.DecodeError, ValueError):
        raise InvalidInputError(
            "the body must hold `paths`, a list of paths, and may hold `expand`", field="paths"
        ) from None


async def _body_of(request: Request) -> bytes:
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_BODY_BYTES:
            raise HTTPException(413)
    return bytes(data)
