"""Chooses the conversion that makes a requested variant, and its source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from panope_backends.api import Conversion
from panope_backends.errors import PreconditionError
from panope_registry.inspect.precisions import is_quantized
from panope_registry.job_handlers.requests import BuildRequest
from panope_registry.models.types import ModelEntry, VariantEntry

NOT_INSTALLED = "not_installed"
"""The reason of the error for a conversion that lacks a package here."""


@dataclass(frozen=True)
class ConversionPlan:
    """A conversion that makes a variant: of what, by which backend."""

    source: VariantEntry
    backend: str
    conversion: Conversion


def plan_conversion(
    entry: ModelEntry, request: BuildRequest, offered: Mapping[str, Sequence[Conversion]]
) -> ConversionPlan:
    """Plans how to make the requested variant of those that came with the repo.

    What was converted before is no source: the same request would then give another variant later.

    Raises:
        PreconditionError: there is no such conversion; the message tells what can be made.
    """
    plans = [
        ConversionPlan(source, backend, conversion)
        for source in entry.variants
        if source.derived_from is None and request.source in ("", source.digest)
        for backend, conversions in offered.items()
        if request.backend in ("", backend)
        for conversion in conversions
        if conversion.reads(source.format, source.precision)
    ]
    fitting = [plan for plan in plans if _fits(plan.conversion, request)]
    able = [plan for plan in fitting if not plan.conversion.reason]
    if able:
        return min(able, key=_rank)
    if fitting:
        raise PreconditionError(fitting[0].conversion.reason, reason=NOT_INSTALLED)
    requested = f"{request.format} {request.precision}".strip()
    options = dict.fromkeys(f"{plan.conversion.format} {plan.conversion.precision}" for plan in plans)
    present = ", ".join(f"{variant.format} {variant.precision}".strip() for variant in entry.variants)
    raise PreconditionError(
        f"`{entry.name}` ({present}) cannot be made {requested}; it can be made {', '.join(options) or 'nothing else'}",
        reason="no_conversion",
        field="precision" if any(plan.conversion.format == request.format for plan in plans) else "format",
    )


def published_variant(entry: ModelEntry, request: BuildRequest) -> VariantEntry | None:
    """Returns the requested variant if the repo came with it; None where a source is named, which makes another."""
    if request.source:
        return None
    requested = (request.format, request.precision)
    came = (variant for variant in entry.variants if variant.derived_from is None)
    return next((variant for variant in came if (variant.format, variant.precision) == requested), None)


def refuse_impossible_build(
    entry: ModelEntry, request: BuildRequest, offered: Mapping[str, Sequence[Conversion]]
) -> None:
    """Refuses what no conversion makes of a model, before there is a job for it.

    A conversion that lacks a package here is none of it: the job may go to a worker that has the package.

    Raises:
        PreconditionError: there is no such conversion; the message tells what can be made.
    """
    if published_variant(entry, request) is not None:
        return
    try:
        plan_conversion(entry, request, offered)
    except PreconditionError as error:
        if error.reason != NOT_INSTALLED:
            raise


def request_for(entry: ModelEntry, plan: ConversionPlan, offered: Mapping[str, Sequence[Conversion]]) -> BuildRequest:
    """Returns the request that a plan is the answer to, with no more fields than that takes.

    So whoever needs the variant that people get by format and precision alone asks for the same job as they do.
    """
    made = (plan.conversion.format, plan.conversion.precision)
    plain = BuildRequest(entry.name, *made)
    came_with_repo = any((each.format, each.precision) == made for each in entry.variants if each.derived_from is None)
    if not came_with_repo and plan_conversion(entry, plain, offered) == plan:
        return plain
    return replace(plain, source=plan.source.digest, backend=plan.backend)


def _fits(conversion: Conversion, request: BuildRequest) -> bool:
    if conversion.format != request.format:
        return False
    if request.precision:
        return conversion.precision == request.precision
    return not is_quantized(conversion.precision)


def _rank(plan: ConversionPlan) -> tuple[int, int, str, str]:
    """Formats and precisions in the converter's order, then whatever is the same each time."""
    conversion, precision = plan.conversion, plan.source.precision
    precisions = [*conversion.source_precisions, precision]
    formats = conversion.source_formats
    return formats.index(plan.source.format), precisions.index(precision), plan.source.digest, plan.backend
