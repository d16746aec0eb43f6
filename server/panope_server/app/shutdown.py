"""The graceful end: no call that was accepted is lost, and nothing that only stays open holds it up."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Sequence

import structlog

from panope_server.runtime.processes.envoy import EnvoyProcess
from panope_server.transport.grpc.server import GrpcServer
from panope_server.transport.health import Health
from panope_server.transport.running_calls import RunningCalls

_log = structlog.get_logger("panope.server")

#: The longest time for running calls to end, and for everything.
DRAIN_SECONDS = 20.0
STOP_SECONDS = 25.0
#: For callers to hear that their calls take longer than that.
REFUSE_SECONDS = 1.5


async def drain(
    health: Health,
    calls: RunningCalls,
    server: GrpcServer,
    envoy: EnvoyProcess | None,
    is_sending_files: Callable[[], bool],
    stop_jobs: Sequence[Callable[[], Awaitable[None]]],
    seconds: float,
    delay_seconds: float,
) -> None:
    """Says that the server stops, closes the ports, and returns when the last accepted call has its answer.

    Args:
        health: says NOT_SERVING first.
        calls: those that run.
        server: the gRPC server.
        envoy: the edge, if there is one.
        is_sending_files: whether the small HTTP app answers anybody.
        stop_jobs: end what runs jobs beside, for a job may take as long as a call to come to a safe point.
        seconds: the longest time for calls to end.
        delay_seconds: between saying so and closing the ports, in which balancers look elsewhere.
    """
    health.stop()
    if envoy is not None:
        await envoy.end_connections()
    await asyncio.sleep(delay_seconds)
    calls.end_streams()
    refusing = asyncio.get_running_loop().call_later(seconds, _refuse_rest, calls)
    most = seconds + REFUSE_SECONDS
    draining = [server.drain(most), *(stop() for stop in stop_jobs)]
    if envoy is not None:
        draining.append(envoy.drain(most, lambda: calls.count > 0 or is_sending_files()))
    await asyncio.gather(*draining)
    refusing.cancel()


def _refuse_rest(calls: RunningCalls) -> None:
    if calls.count:
        _log.warning("requests_aborted", count=calls.count)
        calls.refuse_rest()


def end_in_time(seconds: float = STOP_SECONDS) -> None:
    """Ends this process after so long, whatever it does then: a database or a disk that hangs must not hold it."""

    def end() -> None:
        _log.error("server_stop_timeout", timeout_seconds=seconds)
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
