"""Counts, times and logs every call, whatever becomes of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from panope_backends.errors import CapacityError, PanopeError
from panope_registry.operations.inference_log import LoggedCall
from panope_registry.tables.columns import now
from panope_server.access.principal import current_principal
from panope_server.observability.call_record import mark_counted
from panope_server.observability.metrics import OTHER, Metrics
from panope_server.pipeline.call import Call
from panope_server.pipeline.step import Next
from panope_server.pipeline.usage import units_of
from panope_server.tasks.embed import EmbedOutput
from panope_server.tasks.task import Output

_log = structlog.get_logger("panope.calls")


@dataclass(frozen=True)
class End:
    """How a call ended.

    Attributes:
        code: the protocol's word, such as `NOT_FOUND`.
        status: `ok`, `error`, or `cancelled` by its caller.
        outcome: `ok`, `cancelled`, or the reason of the error.
    """

    code: str
    status: str
    outcome: str
    field: str = ""


OK = End("OK", "ok", "ok")
CANCELLED = End("CANCELLED", "cancelled", "cancelled")
DEFECT = End("INTERNAL", "error", "internal_error")


class Account:
    """The outermost step.

    Args:
        metrics: where calls are counted.
        code_name: the protocol's word for an error, such as `NOT_FOUND`; transport's table gives it.
        log_requests: whether each call is a line of the log.
        keep: takes the calls that are kept in the registry's log, or a sample of them; None keeps none.
    """

    def __init__(
        self,
        metrics: Metrics,
        code_name: Callable[[PanopeError], str],
        *,
        log_requests: bool,
        keep: Callable[[LoggedCall], None] | None = None,
    ) -> None:
        self._metrics = metrics
        self._code_name = code_name
        self._log_calls = log_requests
        self._keep = keep

    async def __call__(self, call: Call, forward: Next) -> Output:
        """Forwards the call and records its end."""
        mark_counted()
        try:
            answer = await forward(call)
        except PanopeError as error:
            if isinstance(error, CapacityError):
                self._metrics.shed.labels(_label(call), error.reason).inc()
            self._record(call, End(self._code_name(error), "error", error.reason, error.field), None)
            raise
        except asyncio.CancelledError:
            self._metrics.cancelled.labels(_label(call)).inc()
            self._record(call, CANCELLED, None)
            raise
        except Exception:
            self._record(call, DEFECT, None)
            raise
        if isinstance(answer, EmbedOutput):
            self._metrics.tokens.labels(call.model).inc(sum(answer.token_counts))
            if answer.truncated_indices:
                self._metrics.truncated.labels(call.model).inc(len(answer.truncated_indices))
        self._record(call, OK, answer)
        return answer

    def _record(self, call: Call, end: End, answer: Output | None) -> None:
        seconds = time.monotonic() - call.started
        self._count(call, end, seconds)
        if not self._log_calls and self._keep is None:
            return
        units = units_of(call.input, answer)
        if self._log_calls:
            _tell(call, end, seconds, units)
        if self._keep is not None and call.resolved:
            self._keep(_logged(call, end, seconds, units))

    def _count(self, call: Call, end: End, seconds: float) -> None:
        label, placement, metrics = _label(call), call.placement, self._metrics
        metrics.requests.labels(call.interface, label, end.code).inc()
        metrics.request_duration.labels(call.interface, label).observe(seconds)
        name = call.model_name if call.resolved else OTHER
        task = call.model_task or call.task
        metrics.inference_requests.labels(name, placement.variant, task, end.status).inc()
        metrics.inference_latency.labels(name, placement.variant, task).observe(seconds * 1000)


def _tell(call: Call, end: End, seconds: float, units: tuple[int, int]) -> None:
    fault = {} if end.status != "error" else {"reason": end.outcome, "field": end.field}
    _log.info(
        "request_finished",
        request_id=call.request_id,
        principal=current_principal().name,
        interface=call.interface,
        model=call.model,
        task=call.model_task or call.task,
        variant=call.placement.variant,
        backend=call.placement.backend,
        code=end.code,
        duration_seconds=round(seconds, 6),
        input_units=units[0],
        output_units=units[1],
        **fault,
    )


def _logged(call: Call, end: End, seconds: float, units: tuple[int, int]) -> LoggedCall:
    return LoggedCall(
        created_at=now(),
        request_id=call.request_id,
        model=call.model_name,
        variant_digest=call.placement.variant_digest,
        instance=call.placement.instance,
        task=call.model_task,
        outcome=end.outcome,
        duration_seconds=seconds,
        input_units=units[0],
        output_units=units[1],
    )


def _label(call: Call) -> str:
    """A name that the registry has not confirmed must not become a series of its own."""
    return call.model if call.resolved else OTHER
