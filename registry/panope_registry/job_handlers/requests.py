"""The requests that become jobs; two equal requests are one job."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from panope_backends.errors import InvalidInputError
from panope_backends.upstreams.description import Upstream, checked_upstream
from panope_registry.inspect.precisions import is_quantized
from panope_registry.inspect.tasks.resolve import check_hints
from panope_registry.jobs import JobEntry, Jobs
from panope_registry.jobs.kinds import ARTIFACT_DOWNLOAD, BUILD_ENGINE, QUANTIZE, REPO_SYNC, SHARE
from panope_registry.models.quantization import check_targets
from panope_registry.models.queries import find_model
from panope_registry.models.types import StoreIds
from panope_registry.models.variant_digest import check_digits
from panope_registry.names import FOLDER, parse_model_name, safe_relative_path

FORMATS = ("safetensors", "openvino", "onnx", "gguf", "pytorch", "python")
"""The formats that models come in, in the order in which a pull prefers them."""

MADE = (*FORMATS, "qnn", "torchao")
"""The formats that variants are made in."""

_PRECISION = re.compile(r"[a-z][a-z0-9_]{0,31}")

MAX_REVISION = 200
MAX_PATTERNS = 64


@dataclass(frozen=True)
class SyncRequest:
    """The request to look at a model's repo.

    Attributes:
        model: `vendor/name`, as the source knows it.
        revision: a branch, tag or commit.
        task_hints: the likeliest first.
        preferred_format: of variants; empty leaves what was preferred before, as for the next two.
        preferred_precision: of variants.
        quantization_targets: precisions to quantize to once the weights are here.
        upstream: the server elsewhere that runs the model: `url`, `protocol`, `model`; empty for a model with a repo.
        base_model: of an adapter; empty for the one that was said before, or that its files name.
        keep_alive_seconds: for which it stays loaded unused; negative for ever, None leaves what was said before.
    """

    model: str
    revision: str = "main"
    task_hints: tuple[str, ...] = ()
    preferred_format: str = ""
    preferred_precision: str = ""
    quantization_targets: tuple[str, ...] = ()
    upstream: Mapping[str, str] = field(default_factory=dict)
    base_model: str = ""
    keep_alive_seconds: float | None = None


@dataclass(frozen=True)
class DownloadRequest:
    """The request to download one variant of a registered model.

    Attributes:
        model: `vendor/name`.
        revision: the branch, tag or commit that was synced.
        format: of the variant; empty for any.
        precision: of the variant; empty for any.
        include: patterns of paths to download instead of a variant's files.
        variant: the digest of the one variant, also of one that was made elsewhere; empty for any.
    """

    model: str
    revision: str = "main"
    format: str = ""
    precision: str = ""
    include: tuple[str, ...] = ()
    variant: str = ""


@dataclass(frozen=True)
class BuildRequest:
    """The request to make another variant of a registered model; its weights are downloaded first if they are not here.

    Attributes:
        model: `vendor/name`.
        format: of the new variant.
        precision: of its weights; empty for that in which the format holds a model unchanged.
        revision: the branch, tag or commit that must be served; empty for whichever is.
        source: the digest of the variant to make it of; empty for the one that suits best.
        backend: whose converter makes it; empty for any.
    """

    model: str
    format: str
    precision: str = ""
    revision: str = ""
    source: str = ""
    backend: str = ""


def enqueue_sync(jobs: Jobs, request: SyncRequest, requested_by: str = "", *, store: str | None = None) -> JobEntry:
    """Enqueues the job that syncs, wherever a runner is free; returns an open one for the same request.

    Args:
        jobs: the table that gets it.
        request: what to look at.
        requested_by: who asks, for people to read.
        store: the id of the store that gets the description of a server elsewhere; of no meaning for a repo.

    Raises:
        InvalidInputError: a field cannot be honoured.
    """
    check_model(request.model, request.revision)
    _check_format(request.preferred_format, "preferred_format")
    _check_precision(request.preferred_precision, "preferred_precision")
    check_targets(request.quantization_targets)
    check_hints(request.task_hints)
    if request.upstream:
        upstream_of(request)
    else:
        store = None
    if request.base_model:
        parse_model_name(request.base_model, "base_model")
    payload = asdict(request)
    return jobs.enqueue(
        REPO_SYNC,
        payload,
        dedupe_key=dedupe_key(REPO_SYNC, payload, store),
        priority=10,
        requested_by=requested_by,
        store=store,
    )


def upstream_of(request: SyncRequest) -> Upstream:
    """The server elsewhere of a request that has one, checked.

    Raises:
        InvalidInputError: a field of it is wrong, or one that goes with repos alone is set.
    """
    given = request.upstream
    repo_fields = ("preferred_format", "preferred_precision", "quantization_targets", "base_model")
    for name in (
        *(each for each in repo_fields if getattr(request, each)),
        *("revision",) * (request.revision != "main"),
    ):
        raise InvalidInputError.at(name, "{field} goes with a model of a hub, and this one runs on a server elsewhere")
    if len(request.task_hints) > 1:
        raise InvalidInputError.at("task_hints", "{field} must be one task: a server elsewhere does one with a model")
    task = "".join(request.task_hints)
    return checked_upstream(given.get("url", ""), given.get("protocol", ""), given.get("model", ""), task)


def enqueue_pull(jobs: Jobs, request: DownloadRequest, requested_by: str = "", *, store: str | None = None) -> JobEntry:
    """Enqueues the job that downloads, after the job that syncs; returns an open one for the same request.

    A model that another machine imported from a folder has no hub to sync with, and comes from the shared store.

    Args:
        jobs: the table that gets it.
        request: what to download.
        requested_by: who asks, for people to read.
        store: the id of the store to download to; None leaves it to whoever is free.

    Raises:
        InvalidInputError: a field cannot be honoured.
    """
    _check_download(request)
    if _is_of_other_machine(jobs, request.model, store):
        return _enqueue_download(jobs, request, (), requested_by, store)
    sync = enqueue_sync(jobs, SyncRequest(request.model, request.revision), requested_by)
    return _enqueue_download(jobs, request, (sync.id,), requested_by, store)


def enqueue_download(
    jobs: Jobs, request: DownloadRequest, requested_by: str = "", *, store: str | None = None
) -> JobEntry:
    """Enqueues the job that downloads a registered model; returns an open one for the same request.

    Args:
        jobs: the table that gets it.
        request: what to download.
        requested_by: who asks, for people to read.
        store: the id of the store to download to; None leaves it to whoever is free.

    Raises:
        InvalidInputError: a field cannot be honoured.
    """
    _check_download(request)
    return _enqueue_download(jobs, request, (), requested_by, store)


def enqueue_build(
    jobs: Jobs, request: BuildRequest, requested_by: str = "", *, store: str | None = None, priority: int = 0
) -> JobEntry:
    """Enqueues the job that makes a variant: `quantize` for weights coarser than those that models come with.

    Args:
        jobs: the table that gets it; an open job for the same request is returned.
        request: what to make.
        requested_by: who asks, for people to read.
        store: the id of the store that it is for; None leaves it to whoever is free.
        priority: higher goes first.

    Raises:
        InvalidInputError: a field cannot be honoured.
    """
    check_build(request)
    kind = QUANTIZE if is_quantized(request.precision) else BUILD_ENGINE
    payload = asdict(request)
    return jobs.enqueue(
        kind,
        payload,
        dedupe_key=dedupe_key(kind, payload, store),
        priority=priority,
        requested_by=requested_by,
        store=store,
    )


def check_build(request: BuildRequest) -> None:
    """Refuses a build whose fields cannot be honoured for any model.

    Raises:
        InvalidInputError: naming the field.
    """
    check_model(request.model, request.revision or "main")
    if not request.format:
        raise InvalidInputError.at("format", "{field} must be given")
    _check_format(request.format, "format", MADE)
    _check_precision(request.precision, "precision")


def enqueue_share(jobs: Jobs, variant_digest: str, *, store: str, requested_by: str = "") -> JobEntry:
    """Enqueues the job that uploads a variant's files to the shared store; returns an open one for the same."""
    payload = {"variant": variant_digest}
    key = dedupe_key(SHARE, payload, store)
    return jobs.enqueue(SHARE, payload, dedupe_key=key, requested_by=requested_by, store=store)


def sync_request(payload: Mapping[str, Any]) -> SyncRequest:
    """Reads the request from a job's payload."""
    lists = {name: tuple(payload.get(name, ())) for name in ("task_hints", "quantization_targets")}
    return SyncRequest(**{**payload, **lists})


def build_request(payload: Mapping[str, Any]) -> BuildRequest:
    """Reads the request from a job's payload."""
    return BuildRequest(**payload)


def download_request(payload: Mapping[str, Any]) -> DownloadRequest:
    """Reads the request from a job's payload."""
    return DownloadRequest(**{**payload, "include": tuple(payload["include"])})


def _is_of_other_machine(jobs: Jobs, model: str, store: str | None) -> bool:
    """Returns whether the model came from a folder, and nothing that can be run is in this store."""
    with jobs.database.read() as connection:
        entry = find_model(connection, StoreIds(store or ""), model)
    return entry is not None and entry.source == FOLDER and not any(variant.is_local for variant in entry.variants)


def _enqueue_download(
    jobs: Jobs, request: DownloadRequest, depends_on: tuple[int, ...], requested_by: str, store: str | None
) -> JobEntry:
    payload = asdict(request)
    return jobs.enqueue(
        ARTIFACT_DOWNLOAD,
        payload,
        dedupe_key=dedupe_key(ARTIFACT_DOWNLOAD, payload, store),
        depends_on=depends_on,
        requested_by=requested_by,
        store=store,
    )


def _check_download(request: DownloadRequest) -> None:
    check_model(request.model, request.revision)
    _check_format(request.format, "format")
    _check_precision(request.precision, "precision")
    chosen = request.format or request.precision or request.variant
    if request.include and chosen:
        raise InvalidInputError.at("include", "{field} names files, so it cannot go with a format or precision")
    if request.variant:
        check_digits(request.variant, "variant")
    if len(request.include) > MAX_PATTERNS:
        raise InvalidInputError.at("include", "{field} has more than {limit} patterns", limit=MAX_PATTERNS)
    for pattern in request.include:
        safe_relative_path(pattern)


def check_model(model: str, revision: str) -> None:
    """Refuses what is no name of a model, or of a branch, tag or commit.

    Raises:
        InvalidInputError: naming the field.
    """
    parse_model_name(model, "model")
    if not revision or len(revision) > MAX_REVISION or not revision.isprintable() or ".." in revision:
        raise InvalidInputError.at("revision", "{field} is no name of a branch, tag or commit")


def _check_format(name: str, field: str, formats: Sequence[str] = FORMATS) -> None:
    if name and name not in formats:
        known = ", ".join(f"`{format_}`" for format_ in formats)
        raise InvalidInputError.at(field, "{field} must be one of {known}", known=known)


def _check_precision(name: str, field: str) -> None:
    if name and not _PRECISION.fullmatch(name):
        raise InvalidInputError.at(field, "{field} is no name of a precision, such as `int8` or `q4_k_m`")


def dedupe_key(kind: str, payload: Mapping[str, Any], store: str | None = None) -> str:
    """Names the work of a request for one store, or any, so that two equal requests are one job."""
    request = json.dumps([payload, store] if store else payload, sort_keys=True)
    return f"{kind}:{hashlib.sha256(request.encode()).hexdigest()}"
