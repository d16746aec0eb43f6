"""Runs Envoy as a child: starts it, keeps it running, and stops it without cutting requests."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import structlog

from panope_backends.errors import InternalError, PreconditionError
from panope_backends.retry import RetryPolicy
from panope_envoy.binary import EnvoyMissingError, envoy_path
from panope_envoy.bootstrap import bootstrap
from panope_envoy.options import EdgeOptions
from panope_server.runtime.processes.child_process import ChildProcess, describe_exit
from panope_server.runtime.processes.environment import child_environment
from panope_server.runtime.processes.envoy_admin import EnvoyAdmin
from panope_server.runtime.processes.process_supervisor import Exit, LivenessProbe, RestartPolicy, Supervisor

_log = structlog.get_logger("panope.envoy")

#: A machine with much else to do takes more than ten.
START_SECONDS = 30.0
FIRST_BACKOFF_SECONDS = 0.1
MAX_BACKOFF_SECONDS = 10.0
CHECK_SECONDS = 2.0
#: An Envoy whose administration does not answer so many checks in a row, each within two seconds, is silent.
SILENT_CHECKS = 5
#: The time from SIGTERM to SIGKILL.
TERMINATE_SECONDS = 2.0
POLL_SECONDS = 0.02
#: How often Envoy is asked how many connections it has.
PRESSURE_SECONDS = 0.5
TELLING_PRESSURE = 0.4
#: Requests that are left when nobody works on them and no byte was sent for so long are half-sent.
QUIET_SECONDS = 1.0
#: What the kernel takes as the path of a Unix socket, its final zero included.
MAX_SOCKET_PATH = 108


def envoy_binary() -> Path:
    """The Envoy program; PreconditionError when there is none."""
    try:
        return envoy_path()
    except EnvoyMissingError as error:
        raise PreconditionError(str(error), reason="envoy_missing") from None


class EnvoyProcess:
    """One Envoy.

    Args:
        options: its configuration.
        folder: private to this server; gets the configuration.
        log_path: the file that Envoy's own log is appended to.
        workers: Envoy's threads. One is more than one Python server can feed: measured at 64 connections, one thread
            passes 4,000 requests/s on two cores, two pass 3,200, for they take time from the server.
    """

    def __init__(self, options: EdgeOptions, folder: Path, log_path: Path, *, workers: int = 1) -> None:
        self._pressure = folder / "connections"
        self._options = replace(options, pressure_file=str(self._pressure))
        self._config = folder / "envoy.json"
        self._admin = EnvoyAdmin(options.envoy_admin_socket)
        self._program = _Envoy(self._config, self._admin, log_path, workers)
        backoff = RetryPolicy(base_seconds=FIRST_BACKOFF_SECONDS, cap_seconds=MAX_BACKOFF_SECONDS)
        self._supervisor = Supervisor("envoy", self._program, RestartPolicy(backoff=backoff), _log)
        self._watcher: asyncio.Task[None] | None = None
        self._drained = False

    @property
    def alive(self) -> bool:
        """Whether Envoy runs and has said that it serves."""
        return self._program.is_serving and self._program.pid != 0

    @property
    def pid(self) -> int:
        """Envoy's process id; 0 when it does not run."""
        return self._program.pid

    @property
    def restart_count(self) -> int:
        """How often Envoy was started again, or that was tried."""
        return self._supervisor.restart_count

    async def start(self) -> None:
        """Starts Envoy and returns when it serves.

        Raises:
            PreconditionError: there is no Envoy, its port is taken, or its host is no address.
            InternalError: Envoy did not start.
        """
        envoy_binary()
        _check(self._options)
        _write_private(self._config, json.dumps(bootstrap(self._options)))
        _write_private(self._pressure, "0")
        await self._supervisor.start()
        _log.info("envoy_ready", pid=self.pid, host=self._options.http_host, port=self._options.http_port)
        self._watcher = asyncio.create_task(self._watch_connections())

    async def end_connections(self) -> None:
        """Tells each connection to end by its next answer; requests are still taken."""
        if self.alive:
            with _told():
                await self._admin.end_connections()

    async def drain(self, grace_seconds: float, is_answering: Callable[[], bool] = lambda: True) -> None:
        """Takes no new connections and lets requests end.

        Args:
            grace_seconds: the longest time.
            is_answering: whether what is behind Envoy still works on requests. When it does not, requests that are
                left are half-sent, or their answers are on their way: those are waited for as long as bytes go out.
        """
        await self._end_supervision()
        if self.alive and not self._drained:
            self._drained = True
            with _told():
                async with asyncio.timeout(grace_seconds):
                    await self._admin.end_connections()
                    await self._admin.close_listeners()
                    await self._until_quiet(is_answering)

    async def stop(self, grace_seconds: float = 10.0) -> None:
        """Drains, for at most `grace_seconds`, unless that was done, and ends the process."""
        await self.drain(grace_seconds)
        await self._program.stop()
        for file in (self._config, self._pressure):
            file.unlink(missing_ok=True)

    async def _until_quiet(self, is_answering: Callable[[], bool]) -> None:
        loop = asyncio.get_running_loop()
        sent, quiet_since = -1, loop.time()
        while True:
            active, sent_now = await self._admin.traffic()
            if not active:
                return
            if is_answering() or sent_now != sent:
                sent, quiet_since = sent_now, loop.time()
            elif loop.time() - quiet_since > QUIET_SECONDS:
                return
            await asyncio.sleep(POLL_SECONDS)

    async def _watch_connections(self) -> None:
        """Tells Envoy how many of its connections are taken, so that idle ones make room before none is left."""
        told = 0.0
        fresh = self._pressure.with_suffix(".new")
        while True:
            await asyncio.sleep(PRESSURE_SECONDS)
            try:
                taken = min(1.0, await self._admin.connections() / self._options.max_connections)
                # Told again while it matters, for Envoy may have missed that the file is another.
                if round(taken, 2) != told or taken > TELLING_PRESSURE:
                    told = round(taken, 2)
                    _write_private(fresh, f"{told:.2f}")
                    fresh.rename(self._pressure)
            except (OSError, TimeoutError) as error:  # Envoy is away, or the disk is full; the next look may tell
                _log.debug("envoy_admin_unreachable", cause=type(error).__name__)

    async def _end_supervision(self) -> None:
        await self._supervisor.stop()
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.wait([self._watcher])


class _Envoy:
    """The program as its supervisor sees it."""

    def __init__(self, config: Path, admin: EnvoyAdmin, log_path: Path, workers: int) -> None:
        self._config = config
        self._admin = admin
        self._log_path = log_path
        self._workers = workers
        self._process: ChildProcess | None = None
        self.is_serving = False

    @property
    def pid(self) -> int:
        """Its process id; 0 when it does not run."""
        return 0 if self._process is None else self._process.pid

    async def start(self) -> None:
        """Starts it and returns when it serves.

        Raises:
            InternalError: it ended, or took too long.
        """
        self._process = await self._spawn()
        self.is_serving = await self._wait_until_ready(self._process)
        if not self.is_serving:
            why = f"did not answer within {START_SECONDS:.0f} s" if self._process.is_running else "ended at once"
            await self.stop()
            raise InternalError(f"Envoy did not start: it {why}; the home's `logs/{self._log_path.name}` has more")

    async def wait(self) -> Exit:
        """Returns when it has ended."""
        assert self._process is not None
        code = await self._process.wait()
        self.is_serving = False
        return Exit(code, describe_exit(code))

    async def stop(self) -> None:
        """Ends it."""
        self.is_serving = False
        if self._process is not None:
            await self._process.stop(TERMINATE_SECONDS)

    def liveness(self) -> LivenessProbe:
        """Its administration must answer."""
        return LivenessProbe(check=self._admin.answers, period_seconds=CHECK_SECONDS, failure_threshold=SILENT_CHECKS)

    def end_silent(self, failed_checks: int) -> None:
        """Kills it."""
        assert self._process is not None
        _log.error("envoy_silent", pid=self._process.pid, checks=failed_checks)
        self._process.kill()

    def last_output(self) -> Sequence[str]:
        """The last lines of its log."""
        if not self._log_path.exists():
            return ()
        with self._log_path.open("rb") as log:
            log.seek(max(0, self._log_path.stat().st_size - 4096))
            return log.read().decode(errors="replace").splitlines()[-5:]

    def gave_up(self, error: Exception) -> None:
        """Only a defect gives it up, and that is in the log."""

    async def _spawn(self) -> ChildProcess:
        command = (
            str(envoy_binary()),
            "--config-path",
            str(self._config),
            "--disable-hot-restart",
            "--concurrency",
            str(self._workers),
            "--log-level",
            "warning",
            # After a request to drain, all connections close at their next answer.
            "--drain-strategy",
            "immediate",
            # Listeners are closed by a request of their own; this is only the time after which they would be anyway.
            "--drain-time-s",
            "5",
        )
        log = os.open(self._log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            return await ChildProcess.start(*command, environment=child_environment(), stdout=log, stderr=log)
        finally:
            os.close(log)

    async def _wait_until_ready(self, process: ChildProcess) -> bool:
        """Whether the process has come to serve; False when it ended or took too long."""
        try:
            async with asyncio.timeout(START_SECONDS):
                while process.is_running:
                    if await self._admin.ready():
                        return True
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            pass
        return False


@contextmanager
def _told() -> Iterator[None]:
    """An Envoy that cannot be asked, or requests that take too long, must not stop the end of the server."""
    try:
        yield
    except (OSError, TimeoutError) as error:
        _log.warning("envoy_drain_failed", cause=type(error).__name__)


def _check(options: EdgeOptions) -> None:
    """Refuses what Envoy would refuse less clearly."""
    for path in (options.grpc_socket, options.envoy_admin_socket):
        if len(os.fsencode(path)) >= MAX_SOCKET_PATH:
            raise PreconditionError("the folder for sockets has too long a name; choose a shorter one")
    host, port = "127.0.0.1" if options.http_host == "localhost" else options.http_host, options.http_port
    try:
        family = socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET
    except ValueError:
        raise PreconditionError(f"cannot listen on `{host}`: it is not an IP address") from None
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PreconditionError(
                f"cannot listen for HTTP on {host}:{port}: {os.strerror(error.errno or 0).lower()}", reason="port_taken"
            ) from None


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
