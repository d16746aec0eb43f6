"""Models as the hub tells of them, and the rules by which it lists them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypedDict

from panope_backends.errors import InvalidInputError
from panope_registry.models.commits import PublishedFile, PublishedRevision
from panope_server.transport.http.hub.queries import HubQuery
from panope_server.transport.http.hub.trees import LfsJson, lfs_of

MOST = 1000
"""Models in one answer."""

FILTERS = ("search", "author", "filter", "library", "pipeline_tag", "gated")
ORDER = ("sort", "direction", "limit", "cursor")
DETAILS = ("full", "config", "cardData", "expand")


class SiblingJson(TypedDict, total=False):
    """A file of a model; with its size and hashes where they were asked for."""

    rfilename: str
    size: int
    blobId: str
    lfs: LfsJson


class ConfigJson(TypedDict, total=False):
    """What config.json says of the model's kind."""

    architectures: list[str]
    model_type: str


class CardJson(TypedDict, total=False):
    """What the model's card says, as far as it is known here."""

    tags: list[str]
    pipeline_tag: str
    library_name: str
    base_model: list[str]


class InfoJson(TypedDict, total=False):
    """A model.

    Attributes:
        downloads: 0, for nobody counts them.
        likes: 0, for nobody counts them.
        usedStorage: bytes of the files that are here.
    """

    _id: str
    id: str
    modelId: str
    author: str
    sha: str
    createdAt: str
    lastModified: str
    private: bool
    gated: bool
    disabled: bool
    downloads: int
    downloadsAllTime: int
    likes: int
    trendingScore: int
    tags: list[str]
    pipeline_tag: str | None
    library_name: str | None
    config: ConfigJson
    cardData: CardJson
    siblings: list[SiblingJson]
    usedStorage: int


#: What a model's own page tells unless `expand` asks for less.
_WHOLE = tuple(name for name in InfoJson.__annotations__ if name not in ("downloadsAllTime", "trendingScore"))
#: What a list tells of each model.
_BRIEF = (
    *("_id", "id", "modelId", "private", "gated", "downloads", "likes", "tags", "createdAt"),
    *("pipeline_tag", "library_name"),
)
#: What it tells besides with `full`.
_FULL = ("author", "sha", "lastModified", "disabled", "siblings")
_ALWAYS = ("_id", "id", "modelId")


def info_of(revision: PublishedRevision, query: HubQuery) -> InfoJson:
    """A model's own page; the query says which parts of it."""
    return _part(_info(revision, with_blobs=query.boolean("blobs")), _expanded(query) or _WHOLE)


def listed_parts(query: HubQuery) -> tuple[str, ...]:
    """Which parts a list tells of each model."""
    if expanded := _expanded(query):
        return expanded
    full = _FULL if query.boolean("full") else ()
    config = ("config",) if query.boolean("config") else ()
    return (*_BRIEF, *full, *config, *(("cardData",) if query.boolean("cardData") else ()))


def listed(revision: PublishedRevision, parts: Sequence[str]) -> InfoJson:
    """A model in a list."""
    return _part(_info(revision, with_blobs=False), parts)


def chosen(models: Sequence[PublishedRevision], query: HubQuery) -> list[PublishedRevision]:
    """Those that pass the query's filters, in its order."""
    wanted = {*query.texts("filter"), *query.texts("library")}
    task = query.text("pipeline_tag")
    none = query.boolean("gated")  # what is gated was not pulled by those who may not
    found = [
        model
        for model in models
        if not none and wanted <= {*model.tags, model.name} and (not task or task == model.task)
    ]
    # The hub's own order is the falling one; what nobody counts leaves the order by name.
    key, descending = _key(query.text("sort")), _descending(query.text("direction"))
    return found if key is None else sorted(found, key=key, reverse=descending)


def moment(at: datetime) -> str:
    """A time as the hub writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _key(sort: str) -> Callable[[PublishedRevision], datetime] | None:
    if sort in ("createdAt", "created_at", "lastModified", "last_modified"):
        return lambda model: model.created_at
    if sort in ("", "downloads", "likes", "trendingScore", "trending_score"):
        return None
    known = "`createdAt`, `lastModified`, `downloads`, `likes` or `trendingScore`"
    raise InvalidInputError(f"`sort` must be {known}", field="sort")


def _descending(direction: str) -> bool:
    if direction not in ("", "-1", "1"):
        raise InvalidInputError("`direction` must be `-1` or `1`", field="direction")
    return direction != "1"


def _expanded(query: HubQuery) -> tuple[str, ...]:
    asked = query.texts("expand")
    for name in asked:
        if name not in InfoJson.__annotations__:
            raise InvalidInputError(f"`expand` has no `{name[:64]}` here", field="expand")
    return (*_ALWAYS, *asked) if asked else ()


def _part(info: InfoJson, names: Sequence[str]) -> InfoJson:
    kept: Any = {name: value for name, value in info.items() if name in names}
    told: InfoJson = kept
    return told


def _info(revision: PublishedRevision, *, with_blobs: bool) -> InfoJson:
    here = [file for file in revision.files if file.is_local]
    return {
        "_id": revision.commit[:24],
        "id": revision.name,
        "modelId": revision.name,
        "author": revision.name.rpartition("/")[0],
        "sha": revision.commit,
        "createdAt": moment(revision.created_at),
        "lastModified": moment(revision.created_at),
        "private": False,
        "gated": False,
        "disabled": False,
        "downloads": 0,
        "downloadsAllTime": 0,
        "likes": 0,
        "trendingScore": 0,
        "tags": list(revision.tags),
        "pipeline_tag": revision.task or None,
        "library_name": revision.library_name or None,
        "config": _config(revision),
        "cardData": _card(revision),
        "siblings": [_sibling(file, with_blobs=with_blobs) for file in here],
        "usedStorage": sum(file.size_bytes for file in here),
    }


def _config(revision: PublishedRevision) -> ConfigJson:
    told = ConfigJson(architectures=list(revision.architectures)) if revision.architectures else ConfigJson()
    if revision.model_type:
        told["model_type"] = revision.model_type
    return told


def _card(revision: PublishedRevision) -> CardJson:
    told = CardJson(tags=list(revision.tags))
    if revision.task:
        told["pipeline_tag"] = revision.task
    if revision.library_name:
        told["library_name"] = revision.library_name
    if revision.base_models:
        told["base_model"] = list(revision.base_models)
    return told


def _sibling(file: PublishedFile, *, with_blobs: bool) -> SiblingJson:
    if not with_blobs:
        return {"rfilename": file.path}
    return {"rfilename": file.path, "size": file.size_bytes, "blobId": file.sha256[:40], "lfs": lfs_of(file)}
