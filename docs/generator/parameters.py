"""What the parameters of REST routes mean: those of paths, of queries and of headers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta

#: Values of paths.
PATHS: Mapping[str, tuple[Any, str]] = {
    "model": (
        Annotated[str, Meta(min_length=1, examples=["sentence-transformers/all-MiniLM-L6-v2"])],
        "A model's name or an alias; `/` is written `%2F`, or as it is.",
    ),
    "task": (
        Literal["feature-extraction", "sentence-similarity", "text-generation"],
        "The task in Hugging Face's words.",
    ),
    "job": (Annotated[int, Meta(ge=1)], "The job's id."),
    "video": (Annotated[str, Meta(pattern="^video_[0-9]{1,18}$")], "The video's id."),
    "name": (Annotated[str, Meta(min_length=1)], "The file's name, as its job tells it."),
    "alias": (Annotated[str, Meta(min_length=1)], "The alias's name; `/` is written `%2F`, or as it is."),
    "sha256": (Annotated[str, Meta(pattern="^[0-9a-f]{64}$")], "The SHA-256 of the file, in hexadecimal."),
    "repo": (
        Annotated[str, Meta(min_length=1, examples=["sentence-transformers/all-MiniLM-L6-v2"])],
        "The model's name; its `/` is written as it is, or `%2F`.",
    ),
    "revision": (
        Annotated[str, Meta(min_length=1, examples=["main"])],
        "`main`, `HEAD`, a branch, or a commit in 40 hexadecimal digits.",
    ),
    "place": (
        Annotated[str, Meta(min_length=1, examples=["main/config.json"])],
        "A revision and, behind a `/`, a path in the model.",
    ),
    "key": (Annotated[str, Meta(min_length=1)], "The key's id or name."),
    "path": (Annotated[str, Meta(min_length=1)], "The file's path in the model; its `/` are written as they are."),
}

#: What query parameters mean, by their names.
QUERY: Mapping[str, str] = {
    "api-version": "The version that Azure's clients speak; without effect.",
    "task": "Only of this task.",
    "backend": "Only what this backend supports, in part at least.",
    "format": "Only models with a variant of this format.",
    "prefix": "Only models whose names begin so.",
    "loaded": "Only models that serve here, or only those that do not.",
    "limit": "How many at most.",
    "after": "What the last answer ended with: the next page comes after it.",
    "order": "The newest first.",
    "status": "Only jobs of this state.",
    "kind": "Only jobs of this kind.",
    "model": "Only of this model.",
    "expected": "The model that the alias must point to now, or nothing happens.",
    "reason": "Why, for the alias's history.",
    "since": "From the hour of this moment on: a day, a moment of RFC 3339, or so long ago such as `36h` or `7d`.",
    "until": "Before the hour of this moment.",
    "by": "What sums are told by, with commas between: `key`, `model`, `task`, `day` or `hour`; one sum without it.",
    "key": "Only of this caller; empty for callers that nobody knows.",
    "search": "Only models whose names hold this, in any case.",
    "author": "Only models whose names begin with this part.",
    "filter": "Only models with all of these tags.",
    "library": "The same, for a library.",
    "pipeline_tag": "Only models of this task, in the hub's words.",
    "gated": "`true` for none: nothing is gated here.",
    "full": "Tell all of each model.",
    "config": "Tell what config.json says.",
    "cardData": "Tell what the card says.",
    "expand": "Tell this alone, or this too.",
    "sort": "The order; nobody counts downloads and likes here, so they give the order of names.",
    "direction": "`1` for rising, `-1` for falling.",
    "cursor": "Where the page begins; the header `link` leads to the next one.",
    "blobs": "Tell sizes and hashes of files.",
    "securityStatus": "Taken; there is none to tell.",
    "include_ended": "Keys that were revoked or have expired, too.",
    "include_prs": "Taken; there are none to tell.",
    "recursive": "Tell of what is in folders too.",
    "download": "Taken; files are always sent to be kept.",
    "p": "The page, from 0.",
    "variant": "The digest of one variant, or its beginning; of a video's content `video` alone.",
}

#: Headers that a call may carry.
WAIT = {
    "name": "x-panope-wait",
    "in": "header",
    "required": False,
    "description": "`true` waits while the model's files are downloaded instead of answering 503.",
    "schema": {"type": "string", "pattern": "^(true|false)?$"},
}
CACHE_CONTROL = {
    "name": "cache-control",
    "in": "header",
    "required": False,
    "description": "Of a server that keeps answers: `no-store` neither takes nor keeps one, `no-cache` computes the "
    "answer anew, `max-age=60` takes none that is older. HTTP's other directives say "
    "nothing here. `x-cache` of the answer says `hit`, `miss` or `bypass`.",
    "schema": {"type": "string"},
}

PRIORITY = {
    "name": "x-panope-priority",
    "in": "header",
    "required": False,
    "description": "`high`, `normal` or `low`: which calls that wait for the same model are taken first.",
    "schema": {"type": "string", "pattern": "^(high|normal|low)?$"},
}

HARDWARE = {
    "name": "x-panope-hardware",
    "in": "header",
    "required": False,
    "description": "Backends that may run the call, the most wanted first, such as `openvino,cpu`, or such words as "
    "`cuda`. The call is refused where its model serves on none of them; `any` at the end takes what there is. Nothing "
    "is loaded elsewhere for it.",
    "schema": {"type": "string"},
}

IDEMPOTENCY_KEY = {
    "name": "idempotency-key",
    "in": "header",
    "required": False,
    "description": "The caller's name for this request, which makes one job however often it is sent: while the job's "
    "files are kept it is the answer again. Another request of the same key is refused.",
    "schema": {"type": "string", "maxLength": 255},  # an empty header is one that is not given
}

KEEP_ALIVE = {
    "name": "x-panope-keep-alive",
    "in": "header",
    "required": False,
    "description": "How long the model stays loaded when nobody uses it after this call: seconds, or such as `5m`; `0` "
    "unloads it, a negative time keeps it until its memory is needed.",
    "schema": {"type": "string"},
}
