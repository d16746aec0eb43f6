"""The candidate that all others are compared with, and how much they agree with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from panope_registry.inspect.precisions import is_quantized
from panope_server.runtime.placement.agreement import AGREEMENT, LEAST, REFERENCE
from panope_server.runtime.placement.selection.candidate import Candidate
from panope_server.tasks.catalog import task_of
from panope_server.tasks.task import Input, Output

#: Whose answers are most exact, of those that a backend computes natively.
_EXACT = ("fp32", "")
#: The plainest first: no compiler stands between the model's own code and the answer.
_PLAIN = ("cpu", "torch-cuda", "torch-rocm", "mps")

_COARSER = 4.0
"""Quantized weights may differ from the reference by so many times what others may."""

Answers = Mapping[str, Sequence[tuple[Input, Output]]]
"""The answers to the inputs of each workload, by its name."""


def reference_of(candidates: Sequence[Candidate]) -> Candidate:
    """The candidate that is nearest to the model as it was published: fine weights, unconverted, computed exactly."""
    return min(candidates, key=_distance)


def _distance(candidate: Candidate) -> tuple[bool, int, bool, bool, int, int]:
    backend = candidate.device.backend
    return (
        candidate.device.is_emulated,
        -candidate.bits,
        candidate.variant.derived_from is not None or candidate.conversion is not None,
        candidate.precision not in _EXACT,
        _PLAIN.index(backend) if backend in _PLAIN else len(_PLAIN),
        candidate.variant.order,
    )


def compared(
    expected: Answers, found: Answers, workload: str, reference: Candidate, candidate: Candidate
) -> dict[str, float | str]:
    """What a measurement's details keep of how much a candidate agrees; nothing where nobody can say.

    Args:
        expected: the reference's answers.
        found: the candidate's.
        workload: of the measurement.
        reference: gave the former.
        candidate: gave the latter.
    """
    alike = []
    least = 0.0
    for (task_input, one), (_, other) in zip(expected.get(workload, ()), found.get(workload, ()), strict=False):
        task = task_of(task_input)
        agreement = task.agreement(one, other)
        if agreement is None:
            return {}
        alike.append(agreement)
        least = task.least_agreement
    if not alike:
        return {}
    if is_quantized(candidate.variant.precision) and not is_quantized(reference.variant.precision):
        least = max(0.0, 1 - _COARSER * (1 - least))
    return {AGREEMENT: round(min(alike), 6), LEAST: least, REFERENCE: label_of(reference)}


def label_of(candidate: Candidate) -> str:
    """A candidate with the precision that it computes in."""
    return f"{candidate.label}, computed in {candidate.precision}" if candidate.precision else candidate.label
