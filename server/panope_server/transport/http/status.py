"""What /status tells, as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from panope_server.runtime.status import ModelView
from panope_server.transport.rest.panope.model_schemas import ModelInfoJson, model_info


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


class StatusJson(Struct):
    """The server as a whole.

    Attributes:
        envoy: null for a server without it.
        not_ready: the models that should serve and do not, with the reason of each.
        models: those that were loaded since the server began.
    """

    version: str
    uptime_seconds: float
    ports: PortsJson
    envoy: EnvoyJson | None
    job_worker: JobWorkerJson
    not_ready: dict[str, str]
    models: list[ModelInfoJson]


def status_json(
    *,
    version: str,
    uptime_seconds: float,
    ports: PortsJson,
    envoy: EnvoyJson | None,
    job_worker: JobWorkerJson,
    not_ready: Mapping[str, str],
    models: Sequence[ModelView],
) -> StatusJson:
    """The answer of GET /status."""
    return StatusJson(
        version, round(uptime_seconds, 1), ports, envoy, job_worker, dict(not_ready), [model_info(m) for m in models]
    )
