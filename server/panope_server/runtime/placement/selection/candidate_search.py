"""Finds what runs a model on a machine: its variants, as they are or converted, on the devices of each backend.

A variant that a backend cannot run becomes a candidate by a conversion that may be done unasked. What was made here, by
a conversion or a quantization, is a variant like those of the repo, as long as the engine that made it is the
installed one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from panope_backends.api import Conversion, Device, Level, ModelFacts, Support
from panope_registry.inspect.precisions import bits_of, is_quantized
from panope_registry.registry import ModelEntry, VariantEntry
from panope_registry.serving_records.profiles import Profile
from panope_server.runtime.hardware.memory import HOST, place_of
from panope_server.runtime.placement.constraints import LoadConstraints
from panope_server.runtime.placement.memory_budget import size_text
from panope_server.runtime.placement.selection.candidate import Candidate
from panope_server.runtime.placement.selection.machine import Machine
from panope_server.runtime.placement.selection.measurements import Measurements
from panope_server.runtime.placement.selection.rejections import Rejection

FactsOf = Callable[[VariantEntry], ModelFacts]
ExtraBytes = Callable[[int | None], int]
"""What one instance takes beside its model, of so many bytes that are free beside it."""


class CandidateSearch:
    """Collects the candidates to run one model.

    Args:
        entry: of the model.
        facts_of: what backends may know of a variant.
        machine: to run it on.
        constraints: that the candidates must meet.
        profiles: what was measured of its variants.
        instances: that each candidate takes memory for.
        extra_bytes: that each of them takes beside the model.

    Attributes:
        candidates: what was found, in no order.
        rejected: what runs the model not, and why.
    """

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
        self._instances = instances
        self._extra_bytes = extra_bytes
        # To compute in; a quantized precision is that of the weights.
        self._asked = "" if is_quantized(constraints.precision) else constraints.precision
        self._measured = Measurements(entry.task, profiles, self._asked)
        self._variants = {variant.digest: variant for variant in entry.variants}

    @property
    def _devices(self) -> list[Device]:
        return [device for device in self._machine.probe.devices if self._constraints.backend in ("", device.backend)]

    def reject_what_is_elsewhere(self, considered: Sequence[VariantEntry]) -> None:
        """Tells of the repo's variants that are not considered how they come here."""
        if self._constraints.variant:
            return
        self.rejected += [
            Rejection(_name(variant), "it is not here; `panope pull` brings it")
            for variant in self._entry.variants
            if variant not in considered and variant.derived_from is None
        ]

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

    def fitting(self, candidate: Candidate) -> Candidate | None:
        """The candidate where there is memory for it; else divided over as few devices as hold it, where it may be.

        A processor's parts would share one memory, so there it is divided only when somebody asks for it.
        """
        if self.fits(candidate):
            return candidate
        if self._constraints.tensor_parallel or place_of(candidate.device) == HOST:
            return None
        most = self._machine.most_parts(candidate.device)
        numbers = (number for number in range(2, most + 1) if candidate.divisor % number == 0)
        return next((over for number in numbers if self.fits(over := self._divided(candidate, number))), None)

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
        if support.level is not Level.NONE and (undivided := self._undivided(device, support)):
            return undivided
        if support.level is not Level.NONE:
            # What is fast, perhaps, and wrong is none, unless somebody asked for it by name.
            is_named = bool(self._constraints.backend or self._constraints.variant)
            wrong = "" if is_named else self._measured.disagreement(variant, device, self._parts)
            return wrong or self._candidate(variant, device, support, None)
        conversion = None if support.is_final else self._conversion(variant, device)
        if conversion is None:
            return support.reason
        if self._made(variant, conversion):
            return ""
        facts = replace(self._facts_of(variant), format=conversion.format, has_adapter=False)
        support = (await self._machine.supports(facts)).get(place, support)
        if support.level is Level.NONE:
            return support.reason
        told = replace(support, reason=f"{support.reason}, after conversion from {variant.format}")
        return self._undivided(device, support) or self._candidate(variant, device, told, conversion)

    @property
    def _parts(self) -> int:
        """The number of devices that somebody asked for each instance to be divided over."""
        return max(1, self._constraints.tensor_parallel)

    def _undivided(self, device: Device, support: Support) -> str:
        """Why a model is not divided over as many devices as is asked for; empty where it is, or need not be."""
        number, most = self._constraints.tensor_parallel, self._machine.most_parts(device)
        if number < 2:
            return ""
        if support.divisor < 2:
            why = f": {support.undivided}" if support.undivided else ""
            return f"does not divide it over {number} devices{why}"
        if support.divisor % number:
            return f"divides it over as many devices as divide {support.divisor}, not over {number}"
        if number > most:
            return f"has {most} for a model that is divided, not {number}"
        return ""

    def _divided(self, candidate: Candidate, number: int) -> Candidate:
        """A candidate over several devices."""
        is_measured = candidate.conversion is None
        return replace(
            candidate,
            profile=self._measured.best(candidate.variant, candidate.device, number) if is_measured else None,
            tensor_parallel=number,
            devices=self._machine.spread(candidate.device, candidate.instances, number),
            reason=f"{candidate.reason}, divided over {number} devices",
        )

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
        number = self._parts
        profile = self._measured.best(variant, device, number) if conversion is None else None
        free = self._machine.free_bytes(device)
        need = _need(variant, conversion)
        devices = self._machine.spread(device, self._instances, number)
        here = max(devices.count(each) for each in devices)
        extra = self._extra_bytes(None if free is None else max(0, free * number // here - need))
        need = max(need + extra, _measured_bytes(device, profile))
        measured = profile.precision if profile is not None and profile.precision in device.precisions else ""
        return Candidate(
            variant,
            device,
            self._asked or measured,
            support.level,
            conversion,
            f"{support.reason}, divided over {number} devices" if number > 1 else support.reason,
            free_bytes=free or 0,
            need_bytes=need * self._instances,
            extra_bytes=extra,
            instances=self._instances,
            devices=devices,
            profile=profile,
            lineage=self._lineage(variant, conversion),
            busy=round(self._machine.busy(device), 1),  # in tenths, so that a flicker decides nothing
            tensor_parallel=number,
            divisor=support.divisor,
        )

    def _lineage(self, variant: VariantEntry, conversion: Conversion | None) -> tuple[tuple[str, str], ...]:
        line = [(conversion.format, conversion.precision)] if conversion is not None else []
        at: VariantEntry | None = variant
        while at is not None and len(line) < len(self._variants) + 2:
            line.append((at.format, at.precision))
            at = self._variants.get(at.derived_from or "")
        return tuple(line)


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


def _name(variant: VariantEntry) -> str:
    return f"{variant.format} {variant.precision}".strip()
