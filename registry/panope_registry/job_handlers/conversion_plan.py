"""Which conversion makes the variant that was asked for, and of which variant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from panope_backends.api import Conversion
from panope_backends.errors import PreconditionError
from panope_registry.inspect.precisions import is_quantized
from panope_registry.job_handlers.requests import BuildRequest
from panope_registry.models.types import ModelEntry, VariantEntry


@dataclass(frozen=True)
class ConversionPlan:
    """How to make a variant."""

    source: VariantEntry
    backend: str
    conversion: Conversion


def plan_conversion(
    entry: ModelEntry, request: BuildRequest, offered: Mapping[str, Sequence[Conversion]]
) -> ConversionPlan:
    """The way to make what was asked for of what came with the repo.

    What was converted before is no source: the same wish would then give another variant later.

    Raises:
        PreconditionError: there is none; the message tells what can be made.
    """
    ways = [
        ConversionPlan(source, backend, conversion)
        for source in entry.variants
        if source.derived_from is None
        for backend, conversions in offered.items()
        for conversion in conversions
        if conversion.reads(source.format, source.precision)
    ]
    fitting = [way for way in ways if _fits(way.conversion, request)]
    able = [way for way in fitting if not way.conversion.reason]
    if able:
        return min(able, key=_rank)
    if fitting:
        raise PreconditionError(fitting[0].conversion.reason, reason="not_installed")
    wanted = f"{request.format} {request.precision}".strip()
    possible = dict.fromkeys(f"{way.conversion.format} {way.conversion.precision}" for way in ways)
    held = ", ".join(f"{variant.format} {variant.precision}".strip() for variant in entry.variants)
    raise PreconditionError(
        f"`{entry.name}` ({held}) cannot be made {wanted}; it can be made {', '.join(possible) or 'nothing else'}",
        reason="no_conversion",
        field="precision" if any(way.conversion.format == request.format for way in ways) else "format",
    )


def _fits(conversion: Conversion, request: BuildRequest) -> bool:
    if conversion.format != request.format:
        return False
    if request.precision:
        return conversion.precision == request.precision
    return not is_quantized(conversion.precision)


def _rank(way: ConversionPlan) -> tuple[int, int, str, str]:
    """Formats and precisions in the converter's order, then whatever is the same each time."""
    conversion, precision = way.conversion, way.source.precision
    precisions = [*conversion.source_precisions, precision]
    formats = conversion.source_formats
    return formats.index(way.source.format), precisions.index(precision), way.source.digest, way.backend
