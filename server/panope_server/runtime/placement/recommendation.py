"""Which model for a task, within a latency and a memory, by what `panope bench` has measured on this machine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from panope_backends.api import Device
from panope_registry.models.types import ModelEntry
from panope_registry.serving_records.profiles import Profile
from panope_server.runtime.placement.agreement import agreement_of, agrees
from panope_server.runtime.placement.selection.machine import device_title
from panope_server.runtime.placement.workloads import workloads_of


@dataclass(frozen=True)
class Recommendation:
    """A way to run a model that keeps within the limits.

    Attributes:
        parameter_count: of the model; 0 when unknown.
        latency_seconds: of one call of the smallest workload; half of them were quicker.
        items_per_second: of the largest workload.
        memory_bytes: the most that its process took; 0 when unknown.
        agreement: with the reference, 0 to 1; None where nobody compared them.
    """

    model: str
    parameter_count: int
    variant_digest: str
    backend: str
    device: str
    precision: str
    latency_seconds: float
    items_per_second: float
    memory_bytes: int
    agreement: float | None


@dataclass(frozen=True)
class Recommended:
    """The models of a task.

    Attributes:
        models: within the limits, each by its fastest way; the largest first, which most often answers best.
        beyond: the names of those that were measured and keep within them in no way.
        unmeasured: the names of those that were not measured here.
    """

    models: Sequence[Recommendation]
    beyond: Sequence[str]
    unmeasured: Sequence[str]


def recommend(
    entries: Iterable[ModelEntry],
    profiles: Iterable[Profile],
    devices: Iterable[Device],
    *,
    max_latency_seconds: float = 0.0,
    max_memory_bytes: int = 0,
) -> Recommended:
    """The models of one task that keep within limits on these devices; what answers wrong is none.

    Args:
        entries: of the models.
        profiles: what was measured of their variants.
        devices: of this machine; what other engines or versions were measured to do says nothing here.
        max_latency_seconds: 0 for any.
        max_memory_bytes: 0 for any.
    """
    here = {(each.backend, each.engine_version, device_title(each)) for each in devices if each.available}
    of_variants: dict[str, list[Profile]] = defaultdict(list)
    for profile in profiles:
        if (profile.backend, profile.engine_version, profile.device) in here:
            of_variants[profile.variant_digest].append(profile)
    found: list[Recommendation] = []
    beyond: list[str] = []
    unmeasured: list[str] = []
    for entry in entries:
        ways = [way for variant in entry.variants for way in _ways(entry, of_variants[variant.digest])]
        within = [way for way in ways if _is_within(way, max_latency_seconds, max_memory_bytes)]
        if within:
            found.append(max(within, key=lambda way: way.items_per_second))
        else:
            (beyond if ways else unmeasured).append(entry.name)
    found.sort(key=lambda way: (-way.parameter_count, -way.items_per_second, way.model))
    return Recommended(found, beyond, unmeasured)


def _ways(entry: ModelEntry, profiles: Sequence[Profile]) -> Iterable[Recommendation]:
    """How one variant was measured to run: on each backend and device, in each precision."""
    order = {workload.name: number for number, workload in enumerate(workloads_of(entry.task))}
    by_way: dict[tuple[str, str, str], list[Profile]] = defaultdict(list)
    for profile in profiles:
        if profile.workload in order:
            by_way[profile.backend, profile.device, profile.precision].append(profile)
    parameters = max((variant.parameter_count for variant in entry.variants), default=0)
    for (backend, device, precision), measured in by_way.items():
        if not all(map(agrees, measured)):
            continue
        measured.sort(key=lambda profile: order[profile.workload])
        yield Recommendation(
            model=entry.name,
            parameter_count=parameters,
            variant_digest=measured[0].variant_digest,
            backend=backend,
            device=device,
            precision=precision,
            latency_seconds=measured[-1].latency_p50_seconds,
            items_per_second=measured[0].items_per_second,
            memory_bytes=max(profile.memory_bytes for profile in measured),
            agreement=min(filter(None, map(agreement_of, measured)), default=None),
        )


def _is_within(way: Recommendation, max_latency_seconds: float, max_memory_bytes: int) -> bool:
    is_quick = not max_latency_seconds or way.latency_seconds <= max_latency_seconds
    return is_quick and (not max_memory_bytes or 0 < way.memory_bytes <= max_memory_bytes)
