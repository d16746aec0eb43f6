"""What cannot run a model, why a candidate is the first, and what is said where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from panope_backends.errors import CapacityError, PanopeError, PreconditionError
from panope_registry.inspect.precisions import is_quantized
from panope_registry.registry import ModelEntry
from panope_server.runtime.placement.constraints import LoadConstraints
from panope_server.runtime.placement.selection.candidate import Candidate
from panope_server.runtime.placement.selection.ranking import Preferred, why_before

#: How backends name the setting of a grant that a model lacks.
_GRANTS = "`grants."


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


def reasons_of(candidates: Sequence[Candidate], rejections: Sequence[Rejection], preferred: Preferred) -> list[str]:
    """Says why each candidate is one, and before the next; of the first, what came to nothing before it."""
    too_large = [rejection for rejection in rejections if rejection.of_memory]
    reasons = []
    for place, candidate in enumerate(candidates):
        told = [candidate.reason]
        if place + 1 < len(candidates):
            after = candidates[place + 1]
            told.append(f"before {after.label}, because {why_before(candidate, after, preferred)}")
        if place == 0:
            told += [f"not {rejection.label}, which {rejection.reason}" for rejection in too_large]
            told += _missed(candidate, rejections, preferred)
        reasons.append("; ".join(told))
    return reasons


def _missed(first: Candidate, rejections: Sequence[Rejection], preferred: Preferred) -> list[str]:
    """Why the backends that are preferred to the first candidate's do not run the model."""
    wanted = preferred.backends
    better = wanted[: wanted.index(first.device.backend)] if first.device.backend in wanted else wanted
    told = []
    for backend in better:
        reasons = dict.fromkeys(each.reason for each in rejections if each.label.split()[:1] == [backend])
        told.append(f"{backend} is preferred, but {' and '.join(reasons) or 'it does not run the model'}")
    return told


def no_candidate(entry: ModelEntry, constraints: LoadConstraints, rejected: Sequence[Rejection]) -> PanopeError:
    """Returns the error that says why there is no candidate."""
    of_memory = [rejection for rejection in rejected if rejection.of_memory]
    # What this machine lacks is no news about the model where something else has looked at it.
    of_model = [rejection for rejection in rejected if not rejection.of_device]
    # Where a grant is all that is missing, what other backends do not run is no way out.
    ungranted = [rejection for rejection in of_model if _GRANTS in rejection.reason]
    rejections = of_memory or ungranted or of_model or rejected
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
    return PreconditionError(
        f"no device can run this model: {why or no_backend}{_undivided(constraints)}", reason="no_backend"
    )


def _undivided(constraints: LoadConstraints) -> str:
    """What else there is where somebody, or the settings, asked for a model to be divided."""
    if constraints.tensor_parallel < 2:
        return ""
    number = constraints.tensor_parallel
    return (
        f" (`tensor_parallel` is {number}; 1, as by `--tensor-parallel 1`, runs the model on one device where it can)"
    )
