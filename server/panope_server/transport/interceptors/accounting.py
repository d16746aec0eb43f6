"""Counts, times and logs the calls that reach no pipeline: of models, jobs, aliases, and what is refused before it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any

import structlog

from panope_backends.errors import PanopeError
from panope_server.access.principal import current_principal
from panope_server.observability.call_record import begin_record
from panope_server.observability.metrics import OTHER, Metrics
from panope_server.pipeline.accounting.step import CANCELLED, DEFECT, OK, Outcome
from panope_server.transport.errors import code_name
from panope_server.transport.interceptors.context import Context, current_request_id
from panope_server.transport.interceptors.handlers import HandlerInterceptor, Streaming, Unary

_log = structlog.get_logger("panope.calls")

#: Health checks and reflection come every second, and from programs alone.
_OURS = "/panope."


class AccountingInterceptor(HandlerInterceptor):
    """Records the end of every call of our own services that the pipeline does not record.

    Args:
        metrics: where calls are counted.
        log_requests: whether each call is a line of the log.
    """

    def __init__(self, metrics: Metrics, *, log_requests: bool) -> None:
        super().__init__()
        self._metrics = metrics
        self._log_requests = log_requests

    def around_unary(self, handle: Unary, method: str) -> Unary:
        """Runs the method and records its end."""
        if not method.startswith(_OURS):
            return handle
        interface = interface_of(method)

        async def run(request: Any, context: Context) -> Any:
            with _Recorded(self._record, interface):
                return await handle(request, context)

        return run

    def around_streaming(self, handle: Streaming, method: str) -> Streaming:
        """Runs the method and records its end."""
        if not method.startswith(_OURS):
            return handle
        interface = interface_of(method)

        async def run(request: Any, context: Context) -> AsyncIterator[Any]:
            with _Recorded(self._record, interface):
                async for answer in handle(request, context):
                    yield answer

        return run

    def _record(self, interface: str, outcome: Outcome, seconds: float) -> None:
        self._metrics.requests.labels(interface, OTHER, outcome.code).inc()
        self._metrics.request_duration.labels(interface, OTHER).observe(seconds)
        if not self._log_requests:
            return
        fault = {} if outcome.status != "error" else {"reason": outcome.reason, "field": outcome.field}
        _log.info(
            "request_finished",
            request_id=current_request_id(),
            principal=current_principal().name,
            interface=interface,
            code=outcome.code,
            duration_seconds=round(seconds, 6),
            **fault,
        )


class _Recorded:
    """Records the end of the block, unless the pipeline has recorded what the call brought."""

    __slots__ = ("_interface", "_keep", "_record", "_started")

    def __init__(self, keep: Callable[[str, Outcome, float], None], interface: str) -> None:
        self._keep = keep
        self._interface = interface
        self._record = begin_record()
        self._started = time.monotonic()

    def __enter__(self) -> None:
        """The call begins."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """The call ends."""
        if not self._record.is_counted:
            self._keep(self._interface, _outcome_of(error), time.monotonic() - self._started)


def _outcome_of(error: BaseException | None) -> Outcome:
    match error:
        case None:
            return OK
        case PanopeError():
            return Outcome(code_name(error), "error", error.reason, error.field)
        case Exception():
            return DEFECT
        case asyncio.CancelledError() | GeneratorExit():
            return CANCELLED
    return OK


def interface_of(method: str) -> str:
    """The method as metrics and logs name it: `/panope.v1.JobService/GetJob` is `JobService/GetJob`."""
    service, _, name = method.rpartition("/")
    return f"{service.rpartition('.')[2]}/{name}"
