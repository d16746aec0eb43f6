"""The server as a whole: builds the parts, starts them in order, stops them in reverse."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from panope_backends.errors import PanopeError
from panope_envoy.options import EdgeOptions, hosts_for, is_loopback
from panope_registry.models.published_files import PublishedFiles
from panope_registry.operations.inference_log import InferenceLog
from panope_registry.shared_store.driver import check_driver
from panope_server.access.authentication import AnonymousAccess
from panope_server.app.hub import check_vendor
from panope_server.app.registry_session import open_registry_session, shared_store_location
from panope_server.app.shutdown import DRAIN_SECONDS, drain, end_in_time
from panope_server.config import Settings
from panope_server.observability.loop import watch_loop
from panope_server.observability.metrics import Metrics, panope_version
from panope_server.pipeline.accounting import Account
from panope_server.pipeline.deadline import Deadline
from panope_server.pipeline.dispatch import Dispatch
from panope_server.pipeline.download import Fetch
from panope_server.pipeline.resolve import Resolve
from panope_server.pipeline.step import Pipeline, Step
from panope_server.pipeline.token_ids import TokenIds
from panope_server.pipeline.validate import Validate
from panope_server.runtime.home import StartError, locked_home, run_folder_for
from panope_server.runtime.models.heartbeat import Heartbeat
from panope_server.runtime.models.manager import ModelDependencies, ModelEvents, ModelManager
from panope_server.runtime.models.model_admin import ModelAdmin
from panope_server.runtime.placement.hardware import Hardware
from panope_server.runtime.processes.envoy import EnvoyProcess
from panope_server.runtime.processes.job_worker import JobsProcess
from panope_server.runtime.registry_calls.acquire import Acquisition
from panope_server.runtime.registry_calls.aliases import AsyncAliases
from panope_server.runtime.registry_calls.call_log import CallLog, sample_of
from panope_server.runtime.registry_calls.jobs import AsyncJobs
from panope_server.runtime.registry_calls.leases import ModelLeases
from panope_server.runtime.status import ModelState
from panope_server.transport.errors import code_name
from panope_server.transport.grpc.health import Health
from panope_server.transport.grpc.running import RunningCalls
from panope_server.transport.grpc.server import PUBLIC_SERVICES, GrpcServer
from panope_server.transport.http.admin import AdminServer, admin_app
from panope_server.transport.http.files import file_routes
from panope_server.transport.http.hub.app import hub_routes
from panope_server.transport.http.status import EnvoyJson, JobWorkerJson, PortsJson, StatusJson, status_json
from panope_server.transport.interceptors.chain import interceptors_for

_log = structlog.get_logger("panope.server")


class App:
    """One server.

    Args:
        on_started: called when every port answers; models may still be loading.
    """

    def __init__(self, settings: Settings, on_started: Callable[[], None] = lambda: None) -> None:
        self._settings = settings
        self._on_started = on_started
        self._started = time.monotonic()
        self._stop = asyncio.Event()
        self._phase = "the server is starting"
        self._envoy: EnvoyProcess | None = None
        self._metrics = Metrics()
        self._authenticator = AnonymousAccess()
        self._job_worker = JobsProcess(settings, on_report=self._metrics.downloads.add)

    async def run(self) -> None:
        """Serves until SIGTERM, SIGINT or `stop`.

        Raises:
            StartError: before anything was served.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.stop)
        _refuse_open_bind(self._settings)
        async with AsyncExitStack() as stack:
            try:
                await self._start(stack)
            except PanopeError as error:
                raise StartError(error.message) from None
            self._phase = ""
            _log.info("server_started", version=panope_version(), seconds=round(time.monotonic() - self._started, 3))
            self._on_started()
            await self._stop.wait()
            self._phase = "the server is stopping"
            _log.info("server_stopping")
            end_in_time()

    def stop(self) -> None:
        """Asks `run` to end."""
        self._stop.set()

    async def _start(self, stack: AsyncExitStack) -> None:
        """Starts part after part; the stack stops them in reverse, which is the order of a graceful end."""
        settings = self._settings
        if shared_store_location(settings):
            check_driver()  # the job worker, which opens it, could only fail again and again
        lock = stack.enter_context(await asyncio.to_thread(locked_home, settings.home_path))
        run_folder = stack.enter_context(run_folder_for(lock))
        session = stack.enter_context(await asyncio.to_thread(open_registry_session, settings))

        metrics = self._metrics
        calls = RunningCalls()
        health = Health(PUBLIC_SERVICES, calls)
        jobs = AsyncJobs(session.jobs)
        leases = ModelLeases(session.retention)
        heartbeat = Heartbeat(session.instances, session.store.id)

        def state_changed(model: str, state: ModelState) -> None:
            health.model_changed(model, state)
            heartbeat.changed()

        manager = ModelManager(
            ModelDependencies(
                settings,
                metrics,
                Hardware.for_settings(settings),
                session.registry,
                session.aliases,
                jobs,
                session.profiles,
                leases,
                session.store.id,
            ),
            ModelEvents(state_changed, health.aliases_changed, heartbeat.report_now),
        )
        metrics.instances.watch(manager.runtimes.instances)
        stack.push_async_callback(manager.close)
        await manager.start()
        stack.push_async_callback(heartbeat.stop)
        heartbeat.start(manager.runtimes.instances)

        acquisition = Acquisition(
            session.jobs,
            session.published_files,
            session.registry.model,
            session.store.id,
            partial(check_vendor, settings),
        )
        model_admin = ModelAdmin(session.retention, session.registry, manager)
        call_log = self._call_log(session.inference_log)
        if call_log is not None:
            call_log.start()
            stack.push_async_callback(call_log.stop)
        pipeline = self._pipeline(manager, metrics, call_log)
        interceptors = interceptors_for(calls, metrics, self._authenticator, log_requests=settings.log_requests)
        server = GrpcServer(
            settings,
            pipeline,
            manager,
            acquisition,
            jobs,
            AsyncAliases(session.aliases),
            model_admin,
            health,
            calls,
            interceptors,
        )
        await server.start(run_folder / "grpc.sock")
        stack.push_async_callback(server.stop)
        admin = AdminServer(self._admin(manager, metrics, session.published_files), settings.host, settings.admin_port)
        await admin.start()
        stack.push_async_callback(admin.stop)
        if settings.envoy:
            self._envoy = EnvoyProcess(_edge(settings, run_folder), run_folder, settings.home_path / "logs/envoy.log")
            await self._envoy.start()
            stack.push_async_callback(self._envoy.stop)
        await self._job_worker.start()
        stack.push_async_callback(self._job_worker.stop)
        seconds = min(settings.workers.drain_timeout_seconds, DRAIN_SECONDS)
        stack.push_async_callback(
            drain, health, calls, server, self._envoy, lambda: admin.is_answering, self._job_worker, seconds
        )
        stack.callback(jobs.close)
        watcher = asyncio.create_task(watch_loop(metrics.loop_lag))
        stack.callback(watcher.cancel)

    def _call_log(self, inference_log: InferenceLog) -> CallLog | None:
        settings = self._settings
        sample = sample_of(settings)
        if not sample:
            return None
        dropped = self._metrics.calls_not_kept
        return CallLog(
            inference_log, sample=sample, retention_days=settings.inference_log.retention_days, dropped=dropped
        )

    def _pipeline(self, manager: ModelManager, metrics: Metrics, call_log: CallLog | None) -> Pipeline:
        settings = self._settings
        validate = Validate(settings.limits)
        steps: list[Step] = [
            Account(metrics, code_name, log_requests=settings.log_requests, keep=call_log),
            Deadline(settings.limits.default_timeout_seconds),
            validate,
            Resolve(manager.directory),
            TokenIds(settings.openai, settings.limits, validate.check),
            Fetch(manager.dispatcher),
        ]
        return Pipeline(steps, Dispatch(manager.dispatcher))

    def _admin(self, manager: ModelManager, metrics: Metrics, serving: PublishedFiles) -> Any:
        async def status() -> StatusJson:
            return await self._status(manager)

        return admin_app(
            exposition=metrics.exposition,
            openmetrics=metrics.openmetrics,
            not_ready=manager.loader.not_ready,
            status=status,
            closed=self._closed,
            hosts=hosts_for(self._settings.host),
            more=[*file_routes(serving), *hub_routes(serving)],
            authenticator=self._authenticator,
        )

    def _closed(self) -> str:
        """Why no call can reach the server now; empty when calls can."""
        envoy_is_away = self._envoy is not None and not self._envoy.alive
        return self._phase or ("Envoy does not run" if envoy_is_away else "")

    async def _status(self, manager: ModelManager) -> StatusJson:
        settings = self._settings
        envoy = self._envoy
        job_worker = self._job_worker.view()
        return status_json(
            version=panope_version(),
            uptime_seconds=time.monotonic() - self._started,
            ports=PortsJson(settings.http_port, settings.grpc_port, settings.admin_port),
            envoy=None if envoy is None else EnvoyJson(envoy.alive, envoy.pid, envoy.restart_count),
            job_worker=JobWorkerJson(job_worker.state, job_worker.workers, job_worker.pid, job_worker.restart_count),
            not_ready=manager.loader.not_ready(),
            models=manager.status.known(),
        )


def _edge(settings: Settings, run_folder: Path) -> EdgeOptions:
    return EdgeOptions(
        grpc_socket=str(run_folder / "grpc.sock"),
        envoy_admin_socket=str(run_folder / "envoy.sock"),
        http_host=settings.host,
        http_port=settings.http_port,
        admin_host=settings.host,
        admin_port=settings.admin_port,
        max_body_bytes=settings.limits.max_message_bytes,
        cors_origins=settings.cors_origins,
    )


def _refuse_open_bind(settings: Settings) -> None:
    if not is_loopback(settings.host) and not settings.allow_unauthenticated:
        raise StartError(
            f"{settings.host} can be reached from other machines and this server asks for no key; "
            "--allow-unauthenticated says that this is meant"
        )
