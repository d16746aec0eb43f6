"""Counts, times and logs every call, whatever becomes of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from panope_backends.errors import CapacityError, PanopeError
from panope_registry.serving_records.inference_log import LoggedCall
from panope_registry.serving_records.usage import UsageCounts
from panope_registry.tables.columns import now
from panope_server.access.principal import current_principal
from panope_server.observability.call_record import mark_counted
from panope_server.observability.call_series import CallKind, CallSeries
from panope_server.observability.metrics import OTHER, Metrics
from panope_server.observability.truncate import cut
from panope_server.pipeline.accounting.counted_parts import CountedParts
from panope_server.pipeline.call import Call
from panope_server.pipeline.step import Next
from panope_server.tasks.catalog import AnyTask, task_of
from panope_server.tasks.task import Usage

_log = structlog.get_logger("panope.calls")

#: Of what the log of calls keeps.
MAX_PROMPT_BYTES = 8 << 10
MAX_MESSAGE_BYTES = 1 << 10


@dataclass(frozen=True)
class Outcome:
    """How a call ended.

    Attributes:
        code: the protocol's word, such as `NOT_FOUND`.
        status: `ok`, `error`, or `cancelled` by its caller.
        reason: `ok`, `cancelled`, or the reason of the error.
        field: at fault; empty for none.
        message: the sentence that the caller is told; empty for none.
    """

    code: str
    status: str
    reason: str
    field: str = ""
    message: str = ""


OK = Outcome("OK", "ok", "ok")
CANCELLED = Outcome("CANCELLED", "cancelled", "cancelled")
DEFECT = Outcome("INTERNAL", "error", "internal_error")


class UsageSink(Protocol):
    """Takes what calls have used."""

    def add(self, principal: str, model: str, task: str, counts: UsageCounts) -> None:
        """Takes what one call has used, at once: by whom (empty for nobody known), of which model, for which task."""


class Accounting:
    """The outermost step.

    Args:
        metrics: where calls are counted.
        code_name: the protocol's word for an error, such as `NOT_FOUND`; transport's table gives it.
        log_requests: whether each call is a line of the log.
        keep: takes the calls that are kept in the registry's log, or a sample of them; None keeps none.
        usage: takes what each call has used; None for nobody.
        log_prompts: whether the calls that are kept have the texts of their inputs.
    """

    def __init__(
        self,
        metrics: Metrics,
        code_name: Callable[[PanopeError], str],
        *,
        log_requests: bool,
        keep: Callable[[LoggedCall], None] | None = None,
        usage: UsageSink | None = None,
        log_prompts: bool = False,
    ) -> None:
        self._metrics = metrics
        self._series = CallSeries(metrics)
        self._code_name = code_name
        self._log_requests = log_requests
        self._keep = keep
        self._usage = usage
        self._log_prompts = log_prompts

    async def __call__(self, call: Call, forward: Next) -> None:
        """Forwards the call and records its end, with what there was of its answer."""
        mark_counted()
        output = call.output
        call.output = parts = CountedParts(call, self._metrics)
        try:
            await forward(call)
        except PanopeError as error:
            if isinstance(error, CapacityError):
                self._metrics.requests_rejected.labels(_label(call), error.reason).inc()
            outcome = Outcome(self._code_name(error), "error", error.reason, error.field, error.message)
            self._record(call, outcome, parts)
            raise
        except asyncio.CancelledError:
            self._metrics.requests_cancelled.labels(_label(call)).inc()
            self._record(call, CANCELLED, parts)
            raise
        except Exception:
            self._record(call, DEFECT, parts)
            raise
        else:
            self._record(call, OK, parts)
        finally:
            call.output = output

    def _record(self, call: Call, outcome: Outcome, parts: CountedParts) -> None:
        seconds = time.monotonic() - call.started
        self._count(call, outcome, seconds)
        if parts.count > 1:
            self._metrics.first_part_duration.labels(call.interface, _label(call)).observe(parts.first - call.started)
        if self._usage is not None and call.resolved:
            task = task_of(call.input)
            counts = _counts(call, task, outcome, parts)
            self._usage.add(current_principal().name, call.model_name, task.name, counts)
        if not self._log_requests and self._keep is None:
            return
        usage = _usage(call, outcome)
        usage = Usage(usage.input_units + task_of(call.input).input_units(call.input), usage.output_units)
        if self._log_requests:
            _log_request(call, outcome, seconds, usage)
        if self._keep is not None and call.resolved:
            text = task_of(call.input).text_of(call.input) if self._log_prompts else ""
            self._keep(_logged(call, outcome, seconds, usage, cut(text, MAX_PROMPT_BYTES)))

    def _count(self, call: Call, outcome: Outcome, seconds: float) -> None:
        resolved, label, name, task = call.resolved, OTHER, OTHER, call.task
        if resolved is not None:
            label, name, task = call.model, resolved.name.model, resolved.task or task
        kind = CallKind(call.interface, label, name, call.placement.variant, task, outcome.code, outcome.status)
        self._series.count(kind, seconds)


def _usage(call: Call, outcome: Outcome) -> Usage:
    """What an answer used; of one that broke off, the last part, which may tell of the whole, has not come."""
    assert call.usage is not None, "the parts were counted"
    return call.usage.whole if outcome.status == "ok" else call.usage.most


def _log_request(call: Call, outcome: Outcome, seconds: float, usage: Usage) -> None:
    fault = {} if outcome.status != "error" else {"reason": outcome.reason, "field": outcome.field}
    cache = {"cache": call.cache_status} if call.cache_status else {}
    route = {"alias": call.requested_model, "route": call.route} if call.route else {}
    _log.info(
        "request_finished",
        request_id=call.request_id,
        principal=current_principal().name,
        interface=call.interface,
        model=call.model,
        task=call.model_task or call.task,
        variant=call.placement.variant,
        backend=call.placement.backend,
        code=outcome.code,
        duration_seconds=round(seconds, 6),
        input_units=usage.input_units,
        output_units=usage.output_units,
        **cache,
        **route,
        **fault,
    )


def _counts(call: Call, task: AnyTask, outcome: Outcome, parts: CountedParts) -> UsageCounts:
    """What a call has used: that of which its caller has had nothing is not counted, but for its device's time."""
    counts = UsageCounts(requests=1, device_microseconds=call.placement.device_microseconds)
    counts.failed_requests = int(outcome.status != "ok")
    if not parts.count:
        return counts
    usage = _usage(call, outcome)
    if task.input_unit == "tokens":
        counts.input_tokens = usage.input_units + task.input_units(call.input)
        # Of a kept answer nothing was computed.
        counts.cached_tokens = counts.input_tokens if call.cache_status == "hit" else usage.cached_units
    if task.output_unit == "tokens":
        counts.output_tokens = usage.output_units
    counts.input_bytes, counts.output_bytes = call.input_bytes, call.output_bytes
    return counts


def _logged(call: Call, outcome: Outcome, seconds: float, usage: Usage, prompt: str) -> LoggedCall:
    return LoggedCall(
        created_at=now(),
        request_id=call.request_id,
        model=call.model_name,
        variant_digest=call.placement.variant_digest,
        instance=call.placement.instance,
        task=call.model_task,
        outcome=outcome.reason,
        duration_seconds=seconds,
        input_units=usage.input_units,
        output_units=usage.output_units,
        principal=current_principal().name,
        interface=call.interface,
        session=call.session or None,
        error_message=_storable(cut(outcome.message, MAX_MESSAGE_BYTES)) or None,
        prompt=_storable(prompt) or None,
        route=call.route or None,
    )


def _storable(text: str) -> str:
    """A text as databases take it: what one call has sent must not keep the rows of others from being written."""
    return text.replace("\0", "�")


def _label(call: Call) -> str:
    """A name that the registry has not confirmed must not become a series of its own."""
    return call.model if call.resolved else OTHER
