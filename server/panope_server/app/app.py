"""The server as a whole: starts its parts in order, and stops them in reverse."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import structlog

from panope_backends.errors import PanopeError
from panope_envoy.options import hosts_for
from panope_registry.jobs.kinds import GENERATION
from panope_registry.session import RegistrySession
from panope_registry.shared_store.driver import check_driver
from panope_server.access.token_keys import TokenKeys
from panope_server.app.access import open_access
from panope_server.app.edge import ADMIN_SOCKET, GRPC_SOCKET, edge_options, refuse_open_bind, write_secrets
from panope_server.app.garbage import tune_garbage_collection
from panope_server.app.parts import Parts, build_parts
from panope_server.app.registry_session import open_registry_session, shared_store_location
from panope_server.app.shutdown import DRAIN_SECONDS, drain, end_in_time
from panope_server.app.status import ServerStatus
from panope_server.config import Settings
from panope_server.generation_jobs.handler import GenerationHandler
from panope_server.observability.loop import watch_loop
from panope_server.observability.metrics import Metrics, panope_version
from panope_server.runtime.home import StartError, locked_home, run_folder_for
from panope_server.runtime.models.manager import ModelManager
from panope_server.runtime.processes.envoy import EnvoyProcess
from panope_server.runtime.processes.job_worker import JobsProcess
from panope_server.runtime.tls_files import TlsWatcher, newest_context, read_tls_files
from panope_server.tasks.catalog import register_installed
from panope_server.transport.grpc.credentials import server_credentials
from panope_server.transport.grpc.server import GrpcServer
from panope_server.transport.http.admin import AdminServer, admin_app
from panope_server.transport.http.cache import cache_routes
from panope_server.transport.http.files import file_routes
from panope_server.transport.http.hub.app import hub_routes
from panope_server.transport.http.job_files import job_file_routes
from panope_server.transport.http.keys import key_routes
from panope_server.transport.http.status import StatusJson
from panope_server.transport.http.token_keys import token_key_routes
from panope_server.transport.interceptors.chain import interceptors_for

_log = structlog.get_logger("panope.server")

READY_POLL_SECONDS = 0.2


class App:
    """One server.

    Args:
        settings: of the server.
        on_started: called when every port answers, with the models that should serve and do not yet, and why.
        on_waiting: called with a model that should serve and the reason why it does not yet, whenever that changes.
        on_ready: called when all of those serve for the first time.
    """

    def __init__(
        self,
        settings: Settings,
        on_started: Callable[[Mapping[str, str]], None] = lambda _: None,
        on_waiting: Callable[[str, str], None] = lambda _model, _reason: None,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._on_started = on_started
        self._on_waiting = on_waiting
        self._on_ready = on_ready
        self._stop = asyncio.Event()
        self._metrics = Metrics()
        self._job_worker = JobsProcess(settings, on_report=self._metrics.downloads.add)
        self._status = ServerStatus(settings, self._job_worker)

    async def run(self) -> None:
        """Serves until SIGTERM, SIGINT or `stop`.

        Raises:
            StartError: before anything was served.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.stop)
        refuse_open_bind(self._settings)
        async with AsyncExitStack() as stack:
            try:
                models = await self._start(stack)
            except PanopeError as error:
                raise StartError(error.message) from None
            tune_garbage_collection()
            self._status.phase = ""
            _log.info(
                "server_started", version=panope_version(), duration_seconds=round(self._status.uptime_seconds, 3)
            )
            self._on_started(models.loader.not_ready())
            announcer = asyncio.create_task(self._announce_ready(models))
            stack.callback(announcer.cancel)
            await self._stop.wait()
            self._status.phase = "the server is stopping"
            _log.info("server_stopping")
            end_in_time()

    def stop(self) -> None:
        """Asks `run` to end."""
        self._stop.set()

    async def _announce_ready(self, models: ModelManager) -> None:
        told: Mapping[str, str] = models.loader.not_ready()
        while waiting := models.loader.not_ready():  # what is waited for has no event of its own
            for model in (model for model, reason in waiting.items() if reason != told.get(model)):
                self._on_waiting(model, waiting[model])
            told = waiting
            await asyncio.sleep(READY_POLL_SECONDS)
        self._on_ready()

    async def _start(self, stack: AsyncExitStack) -> ModelManager:
        """Starts part after part; the stack stops them in reverse, which is the order of a graceful end."""
        register_installed()
        run_folder, session = await self._open_home(stack)
        authenticator = await open_access(stack, self._settings, session)
        parts = build_parts(self._settings, session, self._metrics, authenticator)
        parts.audit.start()
        stack.push_async_callback(parts.audit.stop)
        await parts.limits.start()
        stack.push_async_callback(parts.limits.stop)
        stack.push_async_callback(asyncio.to_thread, parts.media.close)
        await self._start_models(stack, parts)
        tls = await self._start_tls(stack)
        grpc_server = await self._start_grpc(stack, parts, run_folder, tls)
        admin = await self._start_admin(stack, parts, session, run_folder, tls)
        await self._start_envoy(stack, run_folder, tls)
        await self._job_worker.start()
        stack.push_async_callback(self._job_worker.stop)
        self._start_generation_jobs(stack, parts)
        self._drain_first(stack, parts, grpc_server, admin)
        watcher = asyncio.create_task(watch_loop(self._metrics.event_loop_lag))
        stack.callback(watcher.cancel)
        return parts.models

    async def _open_home(self, stack: AsyncExitStack) -> tuple[Path, RegistrySession]:
        """Locks the home; the folder for the sockets of this server, and the registry."""
        settings = self._settings
        if shared_store_location(settings):
            check_driver()  # the job worker, which opens it, could only fail again and again
        lock = stack.enter_context(await asyncio.to_thread(locked_home, settings.home_path))
        run_folder = stack.enter_context(run_folder_for(lock))
        return run_folder, stack.enter_context(await asyncio.to_thread(open_registry_session, settings))

    async def _start_models(self, stack: AsyncExitStack, parts: Parts) -> None:
        models, heartbeat = parts.models, parts.heartbeat
        stack.push_async_callback(parts.usage.stop)
        await parts.usage.start()
        self._metrics.instances.watch(models.runtimes.instances)
        self._metrics.devices.watch(models.monitor.usages)
        stack.push_async_callback(models.close)
        await models.start()
        stack.push_async_callback(heartbeat.stop)
        heartbeat.start(models.runtimes.instances)
        parts.routes.start()
        stack.push_async_callback(parts.routes.stop)
        if parts.cache is not None:
            stack.push_async_callback(parts.cache.store.close)
            await parts.cache.flushes.start()
            stack.push_async_callback(parts.cache.flushes.stop)
        if parts.call_log is not None:
            parts.call_log.start()
            stack.push_async_callback(parts.call_log.stop)

    async def _start_tls(self, stack: AsyncExitStack) -> TlsWatcher | None:
        settings = self._settings.tls
        if not settings.is_on:
            return None
        watcher = TlsWatcher(settings, await asyncio.to_thread(read_tls_files, settings))
        self._metrics.tls_expiry.set_function(lambda: watcher.files.expires_at.timestamp())
        watcher.start()
        stack.push_async_callback(watcher.stop)
        return watcher

    async def _start_grpc(
        self, stack: AsyncExitStack, parts: Parts, run_folder: Path, tls: TlsWatcher | None
    ) -> GrpcServer:
        interceptors = interceptors_for(
            parts.services.calls,
            self._metrics,
            parts.authenticator,
            log_requests=self._settings.log_requests,
            max_message_bytes=self._settings.limits.max_message_bytes,
            on_denied=parts.on_denied,
            limiter=parts.limits.limiter,
        )
        credentials = None if tls is None else server_credentials(lambda: tls.files)
        server = GrpcServer(parts.services, interceptors, credentials)
        await server.start(run_folder / GRPC_SOCKET)
        stack.push_async_callback(server.stop)
        return server

    async def _start_admin(
        self, stack: AsyncExitStack, parts: Parts, session: RegistrySession, run_folder: Path, tls: TlsWatcher | None
    ) -> AdminServer:
        async def status() -> StatusJson:
            return self._status.document(parts.models)

        file = self._settings.access.jwt.keys_file
        keys = None if file is None else await asyncio.to_thread(TokenKeys, file)
        app = admin_app(
            exposition=self._metrics.exposition,
            openmetrics=self._metrics.openmetrics,
            not_ready=parts.models.loader.not_ready,
            status=status,
            closed=self._status.closed,
            hosts=hosts_for(self._settings.host),
            more=[
                *file_routes(parts.files),
                *hub_routes(parts.files),
                *job_file_routes(parts.services.generation_jobs),
                *key_routes(parts.services.keys),
                *cache_routes(parts.services.cache),
                *token_key_routes(None if keys is None else keys.read),
            ],
            authenticator=parts.authenticator,
            public_metrics=self._settings.access.public_metrics,
            on_denied=parts.on_denied,
        )
        admin = AdminServer(
            app,
            self._settings.host,
            self._settings.admin_port,
            tls=None if tls is None else newest_context(tls, run_folder),
            socket_path=run_folder / ADMIN_SOCKET,
        )
        await admin.start()
        stack.push_async_callback(admin.stop)
        return admin

    async def _start_envoy(self, stack: AsyncExitStack, run_folder: Path, tls: TlsWatcher | None) -> None:
        if not self._settings.envoy:
            return
        if tls is not None:
            write_secrets(tls.files, run_folder)
            tls.subscribe(partial(write_secrets, run_folder=run_folder))
        log_file = self._settings.home_path / "logs/envoy.log"
        envoy = self._status.envoy = EnvoyProcess(edge_options(self._settings, run_folder), run_folder, log_file)
        await envoy.start()
        stack.push_async_callback(envoy.stop)

    def _start_generation_jobs(self, stack: AsyncExitStack, parts: Parts) -> None:
        handler = GenerationHandler(
            asyncio.get_running_loop(),
            parts.services.pipeline,
            parts.authenticator,
            parts.job_files,
            self._settings.generation_jobs.timeout_seconds,
        )
        parts.generation_runner.start(dict.fromkeys(GENERATION, handler))
        stack.push_async_callback(parts.generation_runner.stop)

    def _drain_first(self, stack: AsyncExitStack, parts: Parts, grpc_server: GrpcServer, admin: AdminServer) -> None:
        """Before any part is stopped: takes no new call, and waits for those that run."""
        stack.push_async_callback(
            drain,
            parts.services.health,
            parts.services.calls,
            grpc_server,
            self._status.envoy,
            lambda: admin.is_answering,
            [self._job_worker.stop, parts.generation_runner.stop],
            min(self._settings.workers.drain_timeout_seconds, DRAIN_SECONDS),
            self._settings.stop_delay_seconds,
        )
        stack.callback(parts.jobs.close)
