"""What a server says of itself: whether calls can reach it, and what it runs."""

from __future__ import annotations

import time

from panope_server.config import Settings
from panope_server.observability.metrics import panope_version
from panope_server.runtime.models.manager import ModelManager
from panope_server.runtime.processes.envoy import EnvoyProcess
from panope_server.runtime.processes.job_worker import JobsProcess
from panope_server.transport.http.status import (
    EnvoyJson,
    JobWorkerJson,
    PortsJson,
    StatusJson,
    loaded_models_json,
    status_json,
)
from panope_server.transport.rest.panope.model_schemas import device_json


class ServerStatus:
    """One server's status.

    Attributes:
        phase: why no call is taken yet, or any more; empty while the server serves.
        envoy: the edge; None before it is started, and for a server without it.
    """

    def __init__(self, settings: Settings, job_worker: JobsProcess) -> None:
        self.phase = "the server is starting"
        self.envoy: EnvoyProcess | None = None
        self._settings = settings
        self._job_worker = job_worker
        self._started = time.monotonic()

    @property
    def uptime_seconds(self) -> float:
        """Since the process began to start the server."""
        return time.monotonic() - self._started

    def closed(self) -> str:
        """Why no call can reach the server now; empty when calls can."""
        envoy_is_away = self.envoy is not None and not self.envoy.alive
        return self.phase or ("Envoy does not run" if envoy_is_away else "")

    def document(self, models: ModelManager) -> StatusJson:
        """What `/status` answers."""
        settings, envoy, job_worker = self._settings, self.envoy, self._job_worker.view()
        return status_json(
            version=panope_version(),
            uptime_seconds=self.uptime_seconds,
            ports=PortsJson(settings.http_port, settings.grpc_port, settings.admin_port),
            envoy=None if envoy is None else EnvoyJson(envoy.alive, envoy.pid, envoy.restart_count),
            job_worker=JobWorkerJson(job_worker.state, job_worker.workers, job_worker.pid, job_worker.restart_count),
            not_ready=models.loader.not_ready(),
            loaded_models=loaded_models_json(models.memory, models.metrics.loaded_models.totals),
            models=models.status.known(),
            devices=[device_json(device, models.device_usage(device)) for device in models.known_devices()],
        )
