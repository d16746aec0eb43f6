"""What /status tells, as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from panope_server.observability.loaded_models import LoadTotals
from panope_server.runtime.placement.memory_budget import MemoryBudget
from panope_server.runtime.status import ModelView
from panope_server.transport.rest.panope.model_schemas import DeviceJson, ModelInfoJson, model_info


class PortsJson(Struct):
    """Where the server listens."""

    http: int
    grpc: int
    admin: int


class EnvoyJson(Struct):
    """The edge's process; `pid` is 0 when it does not run."""

    alive: bool
    pid: int
    restart_count: int


class JobWorkerJson(Struct):
    """The process that runs jobs.

    Attributes:
        state: `off`, `running`, `backing_off` or `stopped`.
        workers: jobs that run at a time.
        pid: 0 when it does not run.
    """

    state: str
    workers: int
    pid: int
    restart_count: int


class MemoryJson(Struct):
    """What models have of one memory.

    Attributes:
        memory: `host` for the machine's own, else the device's name.
        limit_bytes: that models may take there; null when nobody knows.
        reserved_bytes: that they have, or wait for.
    """

    memory: str
    limit_bytes: int | None
    reserved_bytes: int


class LoadedModelsJson(Struct):
    """Which models are loaded, and how often calls found theirs since the server began.

    Attributes:
        loaded: models that have memory.
        max_loaded: 0 for any number.
        hits: calls that found their model loaded.
        misses: calls that waited for it.
        evictions: models that were unloaded to make room for another.
        expirations: models that were unloaded because nobody had used them for their time.
        load_seconds: of all loads together.
        unload_seconds: of all unloads together.
    """

    loaded: int
    max_loaded: int
    memory: list[MemoryJson]
    hits: int
    misses: int
    evictions: int
    expirations: int
    loads: int
    load_seconds: float
    unloads: int
    unload_seconds: float


class StatusJson(Struct):
    """The server as a whole.

    Attributes:
        envoy: null for a server without it.
        not_ready: the models that should serve and do not, with the reason of each.
        loaded_models: how many are loaded, in what memory, and how often calls found theirs.
        models: those that were loaded since the server began.
        devices: what backends can use, and what it does; empty until they were asked.
    """

    version: str
    uptime_seconds: float
    ports: PortsJson
    envoy: EnvoyJson | None
    job_worker: JobWorkerJson
    not_ready: dict[str, str]
    loaded_models: LoadedModelsJson
    models: list[ModelInfoJson]
    devices: list[DeviceJson]


def status_json(
    *,
    version: str,
    uptime_seconds: float,
    ports: PortsJson,
    envoy: EnvoyJson | None,
    job_worker: JobWorkerJson,
    not_ready: Mapping[str, str],
    loaded_models: LoadedModelsJson,
    models: Sequence[ModelView],
    devices: Sequence[DeviceJson],
) -> StatusJson:
    """The answer of GET /status."""
    infos = [model_info(model) for model in models]
    waiting, uptime = dict(not_ready), round(uptime_seconds, 1)
    return StatusJson(version, uptime, ports, envoy, job_worker, waiting, loaded_models, infos, list(devices))


def loaded_models_json(memory: MemoryBudget, totals: LoadTotals) -> LoadedModelsJson:
    """Which models are loaded."""
    return LoadedModelsJson(
        loaded=memory.loaded_models(),
        max_loaded=memory.max_models,
        memory=[MemoryJson(usage.place, usage.limit_bytes, usage.reserved_bytes) for usage in memory.usage()],
        hits=totals.hits,
        misses=totals.misses,
        evictions=totals.evictions,
        expirations=totals.expirations,
        loads=totals.loads,
        load_seconds=round(totals.load_seconds, 3),
        unloads=totals.unloads,
        unload_seconds=round(totals.unload_seconds, 3),
    )
