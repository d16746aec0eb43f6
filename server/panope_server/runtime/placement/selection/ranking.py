"""The order of candidates to run a model, and why one comes before another; docs/decisions/0501 has the reasons.

What decides, in this order:

1. a device of its own comes before one that is emulated, and then how well the backend supports the model;
2. the format, then the precision that are preferred for the model;
3. quality: weights as they were published come before quantized ones, and of those more bits before fewer;
4. what was measured on this device: measured candidates trade places among each other, others keep theirs;
5. the backend's place in `PREFERENCE`, no conversion before one, the format's place in `FORMATS`, more bits, the device
   that is less busy, then the one with more memory left, the file with the shorter path, then the one whose path comes
   first in the alphabet.

A device that others keep busy is worth what is left of it: by so much less counts what was measured on it alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from panope_backends.api import Level
from panope_registry.inspect.precisions import is_quantized
from panope_registry.job_handlers.requests import FORMATS
from panope_server.runtime.placement.selection.candidate import Candidate

#: Fastest first, until something was measured on this machine.
PREFERENCE = ("torch-cuda", "torch-rocm", "mps", "openvino", "qnn", "cpu")


@dataclass(frozen=True)
class Preferred:
    """What a model should rather be run in and on; empty for no preference.

    Attributes:
        backends: the most wanted first; every other one comes after them.
    """

    format: str = ""
    precision: str = ""
    backends: tuple[str, ...] = ()


class _Class(NamedTuple):
    """Candidates of one class are told apart by measurements."""

    emulated: bool
    level: int
    wanted: int
    other_format: bool
    other_precision: bool
    lost_bits: int


class _Place(NamedTuple):
    """A candidate's place within its class while nothing was measured."""

    backend: int
    converts: bool
    format: int
    bits: int
    busy: float
    taken: int
    device: str
    order: int
    digest: str


def ranked(candidates: Sequence[Candidate], preferred: Preferred) -> list[Candidate]:
    """All of them, best first; their order does not matter."""
    in_order = sorted(candidates, key=lambda each: (_class(each, preferred), _place(each)))
    classes = groupby(in_order, key=lambda each: _class(each, preferred))
    return [each for _, of_class in classes for each in _traded(list(of_class))]


def why_before(winner: Candidate, other: Candidate, preferred: Preferred) -> str:
    """Says why one candidate comes before another that it does come before."""
    for name, reason in _CLASS_REASONS.items():
        if getattr(_class(winner, preferred), name) != getattr(_class(other, preferred), name):
            return reason
    if winner.profile is not None and other.profile is not None:
        fast, slow = winner.profile.items_per_second, other.profile.items_per_second
        busy = f", and {other.busy:.0%} of the other's device is taken" if fast < slow else ""
        return f"it was measured at {fast:,.0f}/s against {slow:,.0f}/s{busy}"
    mine, its = _place(winner), _place(other)
    if mine > its:
        return "it was measured to be faster than what came before that one, which nobody measured"
    if mine.backend != its.backend:
        return f"{winner.device.backend} is usually faster than {other.device.backend}; `panope bench` measures"
    differing = (reason for name, reason in _PLACE_REASONS.items() if getattr(mine, name) != getattr(its, name))
    return next(differing, "they are alike")


_CLASS_REASONS: Mapping[str, str] = {
    "emulated": "the other's device is emulated",
    "level": "the other is supported in part",
    "wanted": "its backend is preferred",
    "other_format": "its format is the preferred one",
    "other_precision": "its precision is the preferred one",
    "lost_bits": "its weights are finer",
}
_PLACE_REASONS: Mapping[str, str] = {
    "converts": "it needs no conversion",
    "format": "its format is the more exact one",
    "bits": "its weights are finer",
    "busy": "its device is less busy",
    "taken": "its device has more memory left",
    "order": "its file has the plainer name",
}


def _class(candidate: Candidate, preferred: Preferred) -> _Class:
    formats = {form for form, _ in candidate.lineage}
    return _Class(
        emulated=candidate.device.is_emulated,
        level=(Level.FULL, Level.PARTIAL).index(candidate.level),
        wanted=_index(candidate.device.backend, preferred.backends),
        other_format=bool(preferred.format) and preferred.format not in formats,
        other_precision=bool(preferred.precision) and not _has_precision(candidate, preferred.precision),
        lost_bits=max(0, 16 - candidate.bits),
    )


def _index(backend: str, wanted: Sequence[str]) -> int:
    return wanted.index(backend) if backend in wanted else len(wanted)


def _has_precision(candidate: Candidate, preferred: str) -> bool:
    """Quantized weights are of their own precision alone; others count as what they were published in, too."""
    of_run = candidate.lineage[0][1] if candidate.lineage else ""
    if is_quantized(preferred) or is_quantized(of_run):
        return preferred == of_run
    return any(preferred == precision for _, precision in candidate.lineage)


def _place(candidate: Candidate) -> _Place:
    backend, form = candidate.device.backend, candidate.variant.format
    return _Place(
        # A backend from outside was installed on purpose, so it comes before the general ones.
        backend=PREFERENCE.index(backend) if backend in PREFERENCE else PREFERENCE.index("openvino"),
        converts=candidate.conversion is not None,
        format=FORMATS.index(form) if form in FORMATS else len(FORMATS),
        bits=-candidate.bits,
        busy=candidate.busy,
        taken=-candidate.free_bytes,
        device=f"{backend} {candidate.device.name}",
        order=candidate.variant.order,
        digest=candidate.variant.digest,
    )


def _traded(of_class: list[Candidate]) -> list[Candidate]:
    """Lets measured candidates trade places, the fastest first; one that nobody measured keeps its place."""
    measured = (each for each in of_class if each.profile is not None)
    fastest = iter(sorted(measured, key=lambda each: -each.speed))
    return [each if each.profile is None else next(fastest) for each in of_class]
