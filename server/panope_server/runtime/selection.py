"""Chooses how to run a model: which variant, backend, device and precision, and says why.

Candidates are the model's variants × the devices, with the formats that a backend's converter can make counted in. They
are ranked by how well the backend supports the model, then by the backend's place in `PREFERENCE`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from panope_backends.api import Conversion, Device, Level, ModelFacts, Support
from panope_backends.errors import PreconditionError
from panope_registry.registry import VariantEntry
from panope_server.runtime.hardware import Probe
from panope_server.runtime.wish import Wish

#: Fastest first, until profiles measured on this machine say otherwise.
PREFERENCE = ("torch-cuda", "torch-rocm", "mps", "openvino", "qnn", "cpu")

SupportsOf = Callable[[ModelFacts], Awaitable[Mapping[tuple[str, str], Support]]]


@dataclass(frozen=True)
class Candidate:
    """One way to run a model.

    Attributes:
        conversion: how the variant becomes what the backend runs; None when it runs it as it is.
    """

    variant: VariantEntry
    device: Device
    precision: str
    level: Level
    conversion: Conversion | None
    reason: str


async def candidates(
    variants: Sequence[VariantEntry],
    facts_of: Callable[[VariantEntry], ModelFacts],
    probe: Probe,
    supports: SupportsOf,
    wish: Wish,
) -> list[Candidate]:
    """Every way to run the model, best first.

    Raises:
        PreconditionError: there is none; it tells why for each device.
    """
    found: list[Candidate] = []
    refused: list[str] = []
    for variant in variants:
        facts = facts_of(variant)
        direct = await supports(facts)
        for device in probe.devices:
            if wish.backend and device.backend != wish.backend:
                continue
            outcome = await _consider(variant, facts, device, direct, probe, supports, wish)
            if isinstance(outcome, Candidate):
                found.append(outcome)
            else:
                refused.append(f"{device.backend} {device.name}: {outcome}")
    if not found:
        why = "; ".join(dict.fromkeys(refused)) or f"there is no backend `{wish.backend}` on this machine"
        raise PreconditionError(f"no device can run this model: {why}", reason="no_backend")
    return sorted(found, key=_rank)


async def _consider(
    variant: VariantEntry,
    facts: ModelFacts,
    device: Device,
    direct: Mapping[tuple[str, str], Support],
    probe: Probe,
    supports: SupportsOf,
    wish: Wish,
) -> Candidate | str:
    """A candidate, or why there is none."""
    if not device.available:
        return device.reason or "not available"
    precision = wish.precision or device.precisions[0]
    if precision not in device.precisions:
        return f"computes in {', '.join(device.precisions)}, not in {precision}"
    place = (device.backend, device.name)
    support = direct.get(place, Support(Level.NONE, "no answer"))
    if support.level is not Level.NONE:
        return Candidate(variant, device, precision, support.level, None, support.reason)
    conversion = None if wish.variant else _automatic(variant, probe.conversions.get(device.backend, ()))
    if conversion is None:
        return support.reason
    target = ModelFacts(facts.name, conversion.format, facts.task, facts.architecture, facts.config)
    support = (await supports(target)).get(place, support)
    if support.level is Level.NONE:
        return support.reason
    reason = f"{support.reason}, after conversion from {variant.format}"
    return Candidate(variant, device, precision, support.level, conversion, reason)


def _automatic(variant: VariantEntry, offered: Sequence[Conversion]) -> Conversion | None:
    """The conversion that may be done without being asked."""
    able = (c for c in offered if c.automatic and not c.reason and c.reads(variant.format, variant.precision))
    return next(able, None)


def _rank(candidate: Candidate) -> tuple[int, int, bool]:
    levels = (Level.FULL, Level.PARTIAL)
    backend = candidate.device.backend
    # A backend from outside was installed on purpose, so it comes before the general ones.
    place = PREFERENCE.index(backend) if backend in PREFERENCE else PREFERENCE.index("openvino")
    return levels.index(candidate.level), place, candidate.conversion is not None
