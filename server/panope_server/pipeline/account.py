"""Counts, times and logs every call, whatever becomes of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from panope_backends.errors import CapacityError, PanopeError
from panope_server.observability.metrics import OTHER, Metrics
from panope_server.pipeline.step import Next
from panope_server.work import Answer, Call, EmbedAnswer

_log = structlog.get_logger("panope.calls")


class Account:
    """The outermost step.

    Args:
        metrics: where calls are counted.
        code_name: the protocol's word for an error, such as `NOT_FOUND`; transport's table gives it.
        log_calls: whether each call is a line of the log.
    """

    def __init__(self, metrics: Metrics, code_name: Callable[[PanopeError], str], *, log_calls: bool) -> None:
        self._metrics = metrics
        self._code_name = code_name
        self._log_calls = log_calls

    async def __call__(self, call: Call, forward: Next) -> Answer:
        """Forwards the call and records its end."""
        try:
            answer = await forward(call)
        except PanopeError as error:
            if isinstance(error, CapacityError):
                self._metrics.shed.labels(_label(call), error.reason).inc()
            self._record(call, self._code_name(error), error)
            raise
        except asyncio.CancelledError:
            self._metrics.cancelled.labels(_label(call)).inc()
            self._record(call, "CANCELLED", None)
            raise
        except Exception:
            self._record(call, "INTERNAL", None)
            raise
        if isinstance(answer, EmbedAnswer):
            self._metrics.tokens.labels(call.model).inc(sum(answer.token_counts))
            if answer.truncated_indices:
                self._metrics.truncated.labels(call.model).inc(len(answer.truncated_indices))
        self._record(call, "OK", None)
        return answer

    def _record(self, call: Call, code: str, error: PanopeError | None) -> None:
        seconds = time.monotonic() - call.started
        label = _label(call)
        self._metrics.requests.labels(call.interface, label, code).inc()
        self._metrics.request_duration.labels(call.interface, label).observe(seconds)
        if not self._log_calls:
            return
        fault = {} if error is None else {"reason": error.reason, "field": error.field}
        _log.info(
            "call",
            request_id=call.request_id,
            interface=call.interface,
            model=call.model,
            code=code,
            seconds=round(seconds, 6),
            **fault,
        )


def _label(call: Call) -> str:
    """A name that the registry has not confirmed must not become a series of its own."""
    return call.model if call.resolved else OTHER
