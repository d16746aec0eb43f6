"""Instances and circuit breakers in JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

from panope_backends.api import GenerationStatistics
from panope_server.runtime.instances.role import Role
from panope_server.runtime.status import BreakerState, BreakerView, InstanceState, InstanceView

BreakerStateJson = Literal["closed", "open", "half_open"]
InstanceRoleJson = Literal["any", "background", "high_priority"]
InstanceStateJson = Literal["starting", "ready", "unresponsive", "backing_off", "draining"]

_BREAKER_STATES: dict[BreakerState, BreakerStateJson] = {
    BreakerState.CLOSED: "closed",
    BreakerState.OPEN: "open",
    BreakerState.HALF_OPEN: "half_open",
}
_INSTANCE_ROLES: dict[Role, InstanceRoleJson] = {
    Role.ANY: "any",
    Role.BACKGROUND: "background",
    Role.HIGH_PRIORITY: "high_priority",
}
_INSTANCE_STATES: dict[InstanceState, InstanceStateJson] = {
    InstanceState.STARTING: "starting",
    InstanceState.READY: "ready",
    InstanceState.UNRESPONSIVE: "unresponsive",
    InstanceState.BACKING_OFF: "backing_off",
    InstanceState.DRAINING: "draining",
}


class BreakerJson(Struct):
    """A circuit breaker, which keeps requests from what fails.

    Attributes:
        retry_after_seconds: the rest of the pause; 0 unless it is open.
        reason: why it is not closed, for people.
    """

    state: BreakerStateJson
    retry_after_seconds: float
    reason: str


class GenerationStatisticsJson(Struct):
    """What an instance that generates does now, and what it has done since it was loaded; zero where it does not tell.

    Attributes:
        running_sequences: those that have a place in the cache of keys and values.
        waiting_sequences: those that wait for one.
        cache_blocks: of that cache.
        used_cache_blocks: of those, held by sequences.
        reusable_cache_blocks: of all, those that later prompts can start with.
        steps: that were computed, failed ones included.
        prompt_tokens: of the prompts that were started.
        cached_prompt_tokens: of those, found computed in the prefix cache.
        completion_tokens: of all answers.
        draft_tokens: guessed from prompts and answers.
        accepted_draft_tokens: of those, right.
        preemptions: how often a sequence gave its blocks back before its end.
    """

    running_sequences: int
    waiting_sequences: int
    cache_blocks: int
    used_cache_blocks: int
    reusable_cache_blocks: int
    steps: int
    failed_steps: int
    prompt_tokens: int
    cached_prompt_tokens: int
    completion_tokens: int
    draft_tokens: int
    accepted_draft_tokens: int
    preemptions: int


class InstanceJson(Struct):
    """A worker process.

    Attributes:
        format: of its variant's files.
        weights_precision: of its variant's weights; empty when unknown.
        precision: that it computes in.
        ready_at: null until it was ready once.
        started_at: null while it has no process.
        generation: null for models that do not generate.
        in_flight_items: that it has; the next goes to the instance with the fewest.
        device_memory_bytes: that it holds of its device's own; 0 where it uses the machine's, or nobody tells.
        devices: all that it runs on, each once: several where its model is divided; `device` is the first.
        role: which calls it runs: all, and as `background` it makes way for instances for `high_priority` alone.
    """

    id: str
    variant_digest: str
    format: str
    weights_precision: str
    backend: str
    device: str
    precision: str
    state: InstanceStateJson
    pid: int
    resident_bytes: int
    restart_count: int
    selection_reason: str
    ready_at: datetime | None
    started_at: datetime | None
    breaker: BreakerJson
    generation: GenerationStatisticsJson | None = None
    in_flight_items: int = 0
    role: InstanceRoleJson = "any"
    device_memory_bytes: int = 0
    devices: tuple[str, ...] = ()


def instance_json(view: InstanceView) -> InstanceJson:
    """A worker process, or an adapter's place in one."""
    return InstanceJson(
        id=view.id,
        variant_digest=view.variant_digest,
        format=view.format,
        weights_precision=view.weights_precision,
        backend=view.backend,
        device=view.device,
        precision=view.precision,
        state=_INSTANCE_STATES[view.state],
        pid=view.pid,
        resident_bytes=view.resident_bytes,
        restart_count=view.restart_count,
        selection_reason=view.selection_reason,
        ready_at=view.ready_at,
        started_at=view.started_at,
        breaker=breaker_json(view.breaker),
        generation=None if view.generation is None else _generation_statistics(view.generation),
        in_flight_items=view.in_flight_items,
        role=_INSTANCE_ROLES[Role(view.role)],
        device_memory_bytes=view.device_memory_bytes,
        devices=view.all_devices,
    )


def breaker_json(view: BreakerView) -> BreakerJson:
    """A circuit breaker."""
    return BreakerJson(_BREAKER_STATES[view.state], view.retry_after_seconds, view.reason)


def _generation_statistics(told: GenerationStatistics) -> GenerationStatisticsJson:
    return GenerationStatisticsJson(
        running_sequences=told.running,
        waiting_sequences=told.waiting,
        cache_blocks=told.blocks,
        used_cache_blocks=told.blocks_used,
        reusable_cache_blocks=told.blocks_cached,
        steps=told.steps,
        failed_steps=told.failed_steps,
        prompt_tokens=told.prompt_tokens,
        cached_prompt_tokens=told.cached_tokens,
        completion_tokens=told.completion_tokens,
        draft_tokens=told.drafted_tokens,
        accepted_draft_tokens=told.accepted_tokens,
        preemptions=told.preemptions,
    )
