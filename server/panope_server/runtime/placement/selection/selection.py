"""Selects the candidates to run a model, best first, and tells why each other way to run it is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from panope_registry.models.variant_digest import find_variant
from panope_registry.registry import ModelEntry, VariantEntry
from panope_registry.serving_records.profiles import Profile
from panope_server.runtime.placement.constraints import LoadConstraints
from panope_server.runtime.placement.selection.candidate import Candidate
from panope_server.runtime.placement.selection.candidate_search import CandidateSearch, ExtraBytes, FactsOf
from panope_server.runtime.placement.selection.machine import Machine
from panope_server.runtime.placement.selection.ranking import Preferred, ranked
from panope_server.runtime.placement.selection.rejections import Rejection, no_candidate, reasons_of


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
    search = CandidateSearch(entry, facts_of, machine, constraints, profiles, instances, extra_bytes)
    considered = _considered(entry, constraints)
    search.reject_unavailable()
    for variant in considered:
        await search.consider(variant)
    search.reject_what_is_elsewhere(considered)
    fitting = [each for each in map(search.fitting, search.candidates) if each is not None]
    if not fitting:
        raise no_candidate(entry, constraints, search.rejected)
    preferred = Preferred(entry.preferred_format, entry.preferred_precision, constraints.preferred_backends)
    candidates = ranked(fitting, preferred)
    reasons = reasons_of(candidates, search.rejected, preferred)
    return Selection(tuple(candidates), tuple(reasons), tuple(search.rejected))


def _considered(entry: ModelEntry, constraints: LoadConstraints) -> Sequence[VariantEntry]:
    """What is here; with nothing here, what could be downloaded, and opening it tells so."""
    if constraints.variant:
        return [find_variant(entry, constraints.variant)]
    return [variant for variant in entry.variants if variant.is_local] or entry.variants
