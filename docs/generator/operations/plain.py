"""Routes of plain HTTP, which no gRPC method stands behind: by path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta

from generator.operations.operation import BYTES, Cursor, Limit, Operation, Text
from panope_server.transport.http.admin import HealthJson, ReadyJson
from panope_server.transport.http.cache import CacheJson, FlushedJson
from panope_server.transport.http.hub import app as hub
from panope_server.transport.http.hub import models
from panope_server.transport.http.hub.errors import HubErrorJson
from panope_server.transport.http.hub.trees import EntryJson
from panope_server.transport.http.key_schemas import CreateKeyBody, KeyJson, KeysJson, RotateKeyBody
from panope_server.transport.http.status import StatusJson

_Expand = list[Literal[tuple(name for name in models.InfoJson.__annotations__ if name != "_id")]]
_INFO = Operation(models.InfoJson, query={"blobs": bool, "expand": _Expand, "securityStatus": bool}, error=HubErrorJson)

PLAIN: Mapping[str, Operation] = {
    "/health": Operation(HealthJson),
    "/ready": Operation(ReadyJson, not_ready=ReadyJson),
    "/status": Operation(StatusJson),
    "/metrics": Operation(media="text/plain"),
    "/v1/metrics": Operation(media="text/plain"),
    "/openapi.json": Operation(dict[str, Any]),
    "/v1/files/{sha256}": Operation(media=BYTES),
    "/v1/jobs/{job}/files/{name}": Operation(media=BYTES, expires=True),
    "/v1/videos/{video}/content": Operation(media=BYTES, query={"variant": Literal["video"]}, expires=True),
    "/v1/model/{repo:repo}/files/{path:path}": Operation(media=BYTES),
    "GET /v1/keys": Operation(KeysJson, query={"after": Text, "limit": Limit, "include_ended": bool}),
    "POST /v1/keys": Operation(KeyJson, CreateKeyBody, status=201, changes=True),
    "/v1/keys/{key}": Operation(KeyJson),
    "/v1/keys/{key}/rotate": Operation(KeyJson, RotateKeyBody),
    "/v1/keys/{key}/revoke": Operation(KeyJson, empty=True),
    "/v1/cache": Operation(CacheJson),
    "/v1/cache/flush": Operation(FlushedJson, empty=True),
    "/hub/api/models": Operation(
        list[models.InfoJson],
        query={
            **dict.fromkeys(("search", "author", "pipeline_tag"), Text),
            **dict.fromkeys(("filter", "library"), list[Text]),
            **dict.fromkeys(("gated", "full", "config", "cardData"), bool),
            "sort": Literal["createdAt", "lastModified", "downloads", "likes", "trendingScore"],
            "direction": Literal["1", "-1"],
            "limit": Annotated[int, Meta(ge=1, le=models.MOST)],
            "cursor": Cursor,
            "expand": _Expand,
        },
        error=HubErrorJson,
    ),
    "/hub/api/models/{repo:repo}": _INFO,
    "/hub/api/models/{repo:repo}/revision/{revision:path}": _INFO,
    "/hub/api/models/{repo:repo}/refs": Operation(hub.RefsJson, query={"include_prs": Text}, error=HubErrorJson),
    "/hub/api/models/{repo:repo}/commits/{revision:path}": Operation(
        list[hub.CommitJson],
        query={
            "expand": list[Literal["formatted"]],
            "limit": Annotated[int, Meta(ge=1, le=hub.MOST_COMMITS)],
            "p": Annotated[int, Meta(ge=0, le=1 << 31)],
            "cursor": Cursor,
        },
        error=HubErrorJson,
    ),
    "/hub/api/models/{repo:repo}/tree/{place:path}": Operation(
        list[EntryJson],
        query={
            "recursive": bool,
            "expand": bool,
            "limit": Annotated[int, Meta(ge=1, le=hub.MOST_ENTRIES)],
            "cursor": Cursor,
        },
        error=HubErrorJson,
    ),
    "/hub/api/models/{repo:repo}/paths-info/{revision:path}": Operation(
        list[EntryJson], hub.PathsBody, error=HubErrorJson
    ),
    "/hub/{repo:repo}/resolve/{place:path}": Operation(media=BYTES, query={"download": Text}, error=HubErrorJson),
    "/hub/{repo:repo}/raw/{place:path}": Operation(media="text/plain", query={"download": Text}, error=HubErrorJson),
}
