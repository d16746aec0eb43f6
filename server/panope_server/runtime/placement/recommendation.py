"""Which model for a task, within a latency and a memory, by what `panope bench` has measured on this machine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from panope_backends.api import Device
from panope_registry.models.types import ModelEntry
from panope_registry.serving_records.profiles import Profile
from panope_server.runtime.placement.agreement import agreement_of, agrees
from panope_server.runtime.placement.selection.machine import device_title, undivided_title
from panope_server.runtime.placement.workloads import workloads_of
from panope_server.tasks.task import MeasuredModel, Workload


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
        disagreeing: the names of those that were measured to answer otherwise than the reference, in every way.
        unmeasured: the names of those that were not measured here.
    """

    models: Sequence[Recommendation]
    beyond: Sequence[str]
    disagreeing: Sequence[str]
    unmeasured: Sequence[str]


def recommend(
    entries: Iterable[ModelEntry],
    profiles: Iterable[Profile],
    devices: Iterable[Device],
    *,
    task: str = "",
    max_latency_seconds: float = 0.0,
    max_memory_bytes: int = 0,
) -> Recommended:
    """The models of one task that keep within limits on these devices; what answers wrong is none.

    Args:
        entries: of the models.
        profiles: what was measured of their variants.
        devices: of this machine; what other engines or versions were measured to do says nothing here.
        task: that they are wanted for, where models of several kinds have one: `classify-audio` of `classify`.
        max_latency_seconds: 0 for any.
        max_memory_bytes: 0 for any.
    """
    here = {(each.backend, each.engine_version, device_title(each)) for each in devices if each.available}
    of_variants: dict[str, list[Profile]] = defaultdict(list)
    for profile in profiles:
        if (profile.backend, profile.engine_version, undivided_title(profile.device)) in here:
            of_variants[profile.variant_digest].append(profile)
    found: list[Recommendation] = []
    beyond: list[str] = []
    disagreeing: list[str] = []
    unmeasured: list[str] = []
    for entry in entries:
        wanted = workloads_of(task or entry.task)
        measured = [profile for variant in entry.variants for profile in of_variants[variant.digest]]
        counting = [profile for profile in measured if profile.workload in {each.name for each in wanted}]
        if not counting and not _may_suit(entry, wanted, is_measured=bool(measured)):
            continue
        ways = list(_ways(entry, counting, wanted))
        within = [way for way in ways if _is_within(way, max_latency_seconds, max_memory_bytes)]
        if within:
            found.append(max(within, key=lambda way: way.items_per_second))
        else:
            (beyond if ways else disagreeing if counting else unmeasured).append(entry.name)
    found.sort(key=lambda way: (-way.parameter_count, -way.items_per_second, way.model))
    return Recommended(found, beyond, disagreeing, unmeasured)


def _may_suit(entry: ModelEntry, wanted: Sequence[Workload], *, is_measured: bool) -> bool:
    """Whether a model that was not measured with what is wanted may be for it, as far as its class tells."""
    if all(each in wanted for each in workloads_of(entry.task)):
        return True
    model = MeasuredModel(entry.architecture)
    return not is_measured and any(each.suits(model) for each in wanted)


def _ways(entry: ModelEntry, profiles: Sequence[Profile], wanted: Sequence[Workload]) -> Iterable[Recommendation]:
    """How a model was measured to run: each variant on each backend and device, in each precision."""
    order = {workload.name: number for number, workload in enumerate(wanted)}
    by_way: dict[tuple[str, str, str, str], list[Profile]] = defaultdict(list)
    for profile in profiles:
        by_way[profile.variant_digest, profile.backend, profile.device, profile.precision].append(profile)
    parameters = max((variant.parameter_count for variant in entry.variants), default=0)
    for (digest, backend, device, precision), measured in by_way.items():
        if not all(map(agrees, measured)):
            continue
        measured.sort(key=lambda profile: order[profile.workload])
        yield Recommendation(
            model=entry.name,
            parameter_count=parameters,
            variant_digest=digest,
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
