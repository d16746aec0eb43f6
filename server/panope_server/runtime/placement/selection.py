"""Finds the candidates to run a model, its variants × the backends' devices, and why each other one is rejected.

A variant that a backend cannot run becomes a candidate by a conversion that may be done unasked. What was made here, by
a conversion or a quantization, is a variant like those of the repo, as long as the engine that made it is the
installed one. `ranking` says which candidate comes first.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from panope_backends.api import Conversion, Device, Level, ModelFacts, Support
from panope_backends.errors import CapacityError, PanopeError, PreconditionError
from panope_registry.inspect.precisions import bits_of, is_quantized
from panope_registry.models.variant_digest import find_variant
from panope_registry.registry import ModelEntry, VariantEntry
from panope_registry.serving_records.profiles import Profile
from panope_server.runtime.hardware.memory import HOST, place_of
from panope_server.runtime.hardware.probe import Probe
from panope_server.runtime.placement.agreement import agrees, disagreement_text
from panope_server.runtime.placement.constraints import LoadConstraints
from panope_server.runtime.placement.memory_budget import size_text
from panope_server.runtime.placement.ranking import Candidate, Preferred, ranked, why_before
from panope_server.runtime.placement.workloads import deciding_workload

SupportsOf = Callable[[ModelFacts], Awaitable[Mapping[tuple[str, str], Support]]]
FactsOf = Callable[[VariantEntry], ModelFacts]
FreeBytes = Callable[[Device], int | None]
ExtraBytes = Callable[[int | None], int]
"""What one instance takes beside its model, of so many bytes that are free beside it."""


@dataclass(frozen=True)
class Rejection:
    """What cannot run the model, and why not.

    Attributes:
        of_memory: whether it could with more memory.
        ever: whether it can on this machine, when other models are gone.
        of_device: whether the device is not available, whatever the model.
    """

    label: str
    reason: str
    of_memory: bool = False
    ever: bool = False
    of_device: bool = False

    def __str__(self) -> str:
        return f"{self.label}: {self.reason}"


@dataclass(frozen=True)
class Selection:
    """The candidates to run a model.

    Attributes:
        candidates: best first; at least one.
        reasons: for each candidate, why it was put where it is.
        rejections: what cannot run it.
    """

    candidates: tuple[Candidate, ...]
    reasons: tuple[str, ...]
    rejections: tuple[Rejection, ...]


@dataclass(frozen=True)
class Machine:
    """What this machine has.

    Attributes:
        supports: how well each device runs a model.
        free_bytes: the memory that is left on a device; None when nobody knows.
        most_bytes: what a model could have there without any other; None when nobody knows.
        busy: the part of a device's time that is taken now, 0 to 1; 0 when nobody knows.
    """

    probe: Probe
    supports: SupportsOf
    free_bytes: FreeBytes
    most_bytes: FreeBytes = lambda device: device.memory_bytes or None
    busy: Callable[[Device], float] = lambda _: 0.0


async def select_candidates(
    entry: ModelEntry,
    facts_of: FactsOf,
    machine: Machine,
    constraints: LoadConstraints,
    profiles: Sequence[Profile] = (),
    instances: int = 1,
    extra_bytes: ExtraBytes = lambda _: 0,
) -> Selection:
    """Finds all candidates to run a model on this machine that fit into its memory, best first.

    Args:
        entry: of the model.
        facts_of: what backends may know of a variant.
        machine: to run it on.
        constraints: that the candidates must meet.
        profiles: what was measured of its variants.
        instances: that each candidate takes memory for.
        extra_bytes: that each of them takes beside the model.

    Raises:
        PreconditionError: there is no candidate; it tells why for each device.
        CapacityError: there is none while other models take the memory.
        InvalidInputError: the variant is named by too few digits, or no digest at all.
        NotFoundError: there is no such variant.
    """
    search = _Search(entry, facts_of, machine, constraints, profiles, instances, extra_bytes)
    considered = _considered(entry, constraints)
    search.reject_unavailable()
    for variant in considered:
        await search.consider(variant)
    if not constraints.variant:
        search.rejected += [
            Rejection(_name(variant), "it is not here; `panope pull` brings it")
            for variant in entry.variants
            if variant not in considered and variant.derived_from is None
        ]
    preferred = Preferred(entry.preferred_format, entry.preferred_precision, constraints.preferred_backends)
    fitting = [candidate for candidate in search.candidates if search.fits(candidate)]
    if not fitting:
        raise _none(entry, constraints, search)
    candidates = ranked(fitting, preferred)
    too_large = [rejection for rejection in search.rejected if rejection.of_memory]
    reasons = _reasons(candidates, too_large, preferred)
    if missed := _missed(candidates[0], search.rejected, preferred):
        reasons[0] = f"{reasons[0]}; {missed}"
    return Selection(tuple(candidates), tuple(reasons), tuple(search.rejected))


class _Search:
    """Collects the candidates to run one model."""

    def __init__(
        self,
        entry: ModelEntry,
        facts_of: FactsOf,
        machine: Machine,
        constraints: LoadConstraints,
        profiles: Sequence[Profile],
        instances: int,
        extra_bytes: ExtraBytes,
    ) -> None:
        self.candidates: list[Candidate] = []
        self.rejected: list[Rejection] = []
        self._entry = entry
        self._facts_of = facts_of
        self._machine = machine
        self._constraints = constraints
        self._profiles = profiles
        self._workload = deciding_workload(entry.task, {profile.workload for profile in profiles})
        self._instances = instances
        self._extra_bytes = extra_bytes
        # To compute in; a quantized precision is that of the weights.
        self._asked = "" if is_quantized(constraints.precision) else constraints.precision
        self._variants = {variant.digest: variant for variant in entry.variants}

    @property
    def _devices(self) -> list[Device]:
        return [device for device in self._machine.probe.devices if self._constraints.backend in ("", device.backend)]

    def reject_unavailable(self) -> None:
        """Tells why devices are not available."""
        self.rejected += [
            Rejection(f"{device.backend} {device.name}".strip(), device.reason or "not available", of_device=True)
            for device in self._devices
            if not device.available
        ]

    async def consider(self, variant: VariantEntry) -> None:
        """Adds the candidates that run a variant."""
        devices = [device for device in self._devices if device.available]
        if reason := self._unusable(variant):
            self.rejected.append(Rejection(_name(variant), reason))
            return
        direct = await self._machine.supports(self._facts_of(variant))
        for device in devices:
            outcome = await self._consider(variant, device, direct)
            if isinstance(outcome, Candidate):
                self.candidates.append(outcome)
            elif outcome:
                self.rejected.append(Rejection(f"{device.backend} {device.name} with {_name(variant)}", outcome))

    def fits(self, candidate: Candidate) -> bool:
        """Whether there is memory for it; what there is none for is told among the rejections."""
        for device, need in candidate.shares.items():
            free = self._machine.free_bytes(device)
            if free is None or need <= free:
                continue
            most = self._machine.most_bytes(device)
            where = "" if device == candidate.device else f" on {device.name}"
            reason = f"needs {size_text(need)} of memory{where} and {size_text(free)} are free"
            ever = most is None or need <= most
            self.rejected.append(Rejection(candidate.label, reason, of_memory=True, ever=ever))
            return False
        return True

    def _unusable(self, variant: VariantEntry) -> str:
        """Why a variant is not run on any device; empty when it may be."""
        constraints = self._constraints
        if variant.derived_from is not None and not (variant.is_local or variant.is_obtainable):
            return "it was made on another machine, which does not share it"
        if constraints.variant:
            return ""  # it was named, so it is run as it is, or the reason is the backends'
        if is_quantized(constraints.precision) and variant.precision != constraints.precision:
            return f"its weights are not {constraints.precision}"
        if variant.derived_from is not None and not self._is_current(variant):
            old = f"it was made by {variant.engine_version or 'an engine'}, which is not the installed version"
            return f"{old}; `panope build` makes it anew" if is_quantized(variant.precision) else old
        return ""

    def _is_current(self, variant: VariantEntry) -> bool:
        """Whether what would make it today would make the same; also when nothing here makes such variants."""
        makers = {
            made.engine_version
            for offered in self._machine.probe.conversions.values()
            for made in offered
            if (made.format, made.precision) == (variant.format, variant.precision)
        }
        return not makers or variant.engine_version in makers

    async def _consider(
        self, variant: VariantEntry, device: Device, direct: Mapping[tuple[str, str], Support]
    ) -> Candidate | str:
        """Returns a candidate, or why there is none; empty where a conversion's result is a candidate of its own."""
        if self._asked and self._asked not in device.precisions:
            return f"computes in {', '.join(device.precisions)}, not in {self._asked}"
        place = (device.backend, device.name)
        support = direct.get(place, Support(Level.NONE, "no answer"))
        if support.level is not Level.NONE:
            return self._disagreement(variant, device) or self._candidate(variant, device, support, None)
        conversion = None if support.is_final else self._conversion(variant, device)
        if conversion is None:
            return support.reason
        if self._made(variant, conversion):
            return ""
        facts = replace(self._facts_of(variant), format=conversion.format, has_adapter=False)
        support = (await self._machine.supports(facts)).get(place, support)
        if support.level is Level.NONE:
            return support.reason
        told = Support(support.level, f"{support.reason}, after conversion from {variant.format}")
        return self._candidate(variant, device, told, conversion)

    def _conversion(self, variant: VariantEntry, device: Device) -> Conversion | None:
        """The conversion that may be done without being asked: of what came with the repo alone."""
        if self._constraints.variant or variant.derived_from is not None:
            return None
        offered = self._machine.probe.conversions.get(device.backend, ())
        able = (c for c in offered if c.automatic and not c.reason and c.reads(variant.format, variant.precision))
        return next(able, None)

    def _made(self, source: VariantEntry, conversion: Conversion) -> bool:
        made = (conversion.format, conversion.precision, conversion.engine_version)
        return any(
            each.derived_from == source.digest and each.is_local and _identity(each) == made
            for each in self._variants.values()
        )

    def _candidate(
        self, variant: VariantEntry, device: Device, support: Support, conversion: Conversion | None
    ) -> Candidate:
        profile = self._profile(variant, device) if conversion is None else None
        free = self._machine.free_bytes(device)
        need = _need(variant, conversion)
        devices = self._spread(device)
        here = max(devices.count(each) for each in devices)
        extra = self._extra_bytes(None if free is None else max(0, free // here - need))
        need = max(need + extra, _measured_bytes(device, profile))
        measured = profile.precision if profile is not None and profile.precision in device.precisions else ""
        return Candidate(
            variant,
            device,
            self._asked or measured,
            support.level,
            conversion,
            support.reason,
            free_bytes=free or 0,
            need_bytes=need * self._instances,
            extra_bytes=extra,
            instances=self._instances,
            devices=devices,
            profile=profile,
            lineage=self._lineage(variant, conversion),
            busy=round(self._machine.busy(device), 1),  # in tenths, so that a flicker decides nothing
        )

    def _spread(self, device: Device) -> tuple[Device, ...]:
        """A device for each instance: of several alike each in its turn, so that none waits for another's."""
        if self._instances == 1 or place_of(device) == HOST:
            return (device,) * self._instances
        others = [each for each in self._devices if each.available and each != device and _are_alike(each, device)]
        others.sort(key=lambda each: -(self._machine.free_bytes(each) or 0))
        return tuple(itertools.islice(itertools.cycle([device, *others]), self._instances))

    def _disagreement(self, variant: VariantEntry, device: Device) -> str:
        """Why what is fast, perhaps, and wrong is none; empty where nothing is, or somebody asked for it by name."""
        if self._constraints.backend or self._constraints.variant:
            return ""
        measured = self._measured(variant, device)
        return disagreement_text(measured[0]) if measured and not any(map(agrees, measured)) else ""

    def _profile(self, variant: VariantEntry, device: Device) -> Profile | None:
        """The fastest that was measured of the variant on this device with the engine of now, of those that agree."""
        measured = self._measured(variant, device)
        found = [profile for profile in measured if agrees(profile)] or measured
        return max(found, key=lambda profile: profile.items_per_second, default=None)

    def _measured(self, variant: VariantEntry, device: Device) -> Sequence[Profile]:
        like = (device.backend, device.engine_version, device_title(device), self._workload)
        return [
            profile
            for profile in self._profiles
            if profile.variant_digest == variant.digest
            and (profile.backend, profile.engine_version, profile.device, profile.workload) == like
            and self._asked in ("", profile.precision)
        ]

    def _lineage(self, variant: VariantEntry, conversion: Conversion | None) -> tuple[tuple[str, str], ...]:
        line = [(conversion.format, conversion.precision)] if conversion is not None else []
        at: VariantEntry | None = variant
        while at is not None and len(line) < len(self._variants) + 2:
            line.append((at.format, at.precision))
            at = self._variants.get(at.derived_from or "")
        return tuple(line)


def _are_alike(one: Device, other: Device) -> bool:
    """Whether two devices of a backend differ in nothing but where they are."""
    return replace(one, name=other.name, pci_address=other.pci_address) == other


def device_title(device: Device) -> str:
    """The device's full name, the same on like machines."""
    return f"{device.name} {device.description}".strip()


def _considered(entry: ModelEntry, constraints: LoadConstraints) -> Sequence[VariantEntry]:
    """What is here; with nothing here, what could be downloaded, and opening it tells so."""
    if constraints.variant:
        return [find_variant(entry, constraints.variant)]
    return [variant for variant in entry.variants if variant.is_local] or entry.variants


def _identity(variant: VariantEntry) -> tuple[str, str, str]:
    return variant.format, variant.precision, variant.engine_version


def _need(variant: VariantEntry, conversion: Conversion | None) -> int:
    """What one instance takes, in bytes; a conversion's result is taken to differ by the width of its weights."""
    if conversion is None:
        return variant.memory_bytes
    before, after = bits_of(variant.precision), bits_of(conversion.precision)
    return variant.memory_bytes * after // before if before and after else variant.memory_bytes


def _measured_bytes(device: Device, profile: Profile | None) -> int:
    return profile.memory_bytes if profile is not None and place_of(device) == HOST else 0


def _reasons(candidates: Sequence[Candidate], too_large: Sequence[Rejection], preferred: Preferred) -> list[str]:
    """Says why each candidate is one, and before the next; of the first, what does not fit beside it."""
    reasons = []
    for place, candidate in enumerate(candidates):
        told = [candidate.reason]
        if place + 1 < len(candidates):
            after = candidates[place + 1]
            told.append(f"before {after.label}, because {why_before(candidate, after, preferred)}")
        if place == 0:
            told += [f"not {rejection.label}, which {rejection.reason}" for rejection in too_large]
        reasons.append("; ".join(told))
    return reasons


def _missed(first: Candidate, rejections: Sequence[Rejection], preferred: Preferred) -> str:
    """Why the backends that are preferred to the first candidate's do not run the model; empty where none is."""
    wanted = preferred.backends
    better = wanted[: wanted.index(first.device.backend)] if first.device.backend in wanted else wanted
    told = []
    for backend in better:
        reasons = dict.fromkeys(each.reason for each in rejections if each.label.split()[:1] == [backend])
        told.append(f"{backend} is preferred, but {' and '.join(reasons) or 'it does not run the model'}")
    return "; ".join(told)


def _none(entry: ModelEntry, constraints: LoadConstraints, search: _Search) -> PanopeError:
    """Returns the error that says why there is no candidate."""
    of_memory = [rejection for rejection in search.rejected if rejection.of_memory]
    # What this machine lacks is no news about the model where something else has looked at it.
    of_model = [rejection for rejection in search.rejected if not rejection.of_device]
    rejections = of_memory or of_model or search.rejected
    told = list(dict.fromkeys(str(rejection) for rejection in rejections))
    reasons = {rejection.reason for rejection in rejections}
    why = reasons.pop() if len(told) > 1 and len(reasons) == 1 else "; ".join(told)
    if any(rejection.ever for rejection in rejections):
        return CapacityError(f"model `{entry.name}` does not fit now: {why}", reason="insufficient_memory")
    if any(rejection.of_memory for rejection in rejections):
        return PreconditionError(f"model `{entry.name}` does not fit this machine: {why}", reason="insufficient_memory")
    precision = constraints.precision
    if is_quantized(precision) and not any(v.is_local and v.precision == precision for v in entry.variants):
        return PreconditionError(
            f"model `{entry.name}` has no variant in {precision} here; `panope build` makes one where it can",
            reason="variant_not_found",
            field="precision",
        )
    no_backend = f"there is no backend `{constraints.backend}` on this machine"
    return PreconditionError(f"no device can run this model: {why or no_backend}", reason="no_backend")


def _name(variant: VariantEntry) -> str:
    return f"{variant.format} {variant.precision}".strip()
