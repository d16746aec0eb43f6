"""A variant of a model by the first digits of its digest, as people write it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from panope_backends.errors import InvalidInputError, NotFoundError
from panope_registry.models.types import ModelEntry, VariantEntry

MIN_DIGITS = 8
SHOWN_DIGITS = 12
"""Enough to tell the variants of one machine apart, in names and tables."""

_DIGITS = re.compile(rf"[0-9a-f]{{{MIN_DIGITS},64}}")


def check_digits(digest: str, field: str) -> None:
    """Refuses what is not the beginning of a digest.

    Raises:
        InvalidInputError: naming the field.
    """
    if not _DIGITS.fullmatch(digest):
        raise InvalidInputError(
            f"`{field}` must be the first {MIN_DIGITS} or more hexadecimal digits of a variant's digest", field=field
        )


def variants_of(entry: ModelEntry, digits: str) -> list[VariantEntry]:
    """Returns the variants of the model whose digests begin so; all of them for no digits."""
    return [variant for variant in entry.variants if variant.digest.startswith(digits)]


def find_variant(entry: ModelEntry, digits: str) -> VariantEntry:
    """Returns the one variant of the model whose digest begins so.

    Raises:
        InvalidInputError: it is no such beginning, too short, or that of several variants.
        NotFoundError: the model has no such variant.
    """
    check_digits(digits, "variant")
    matches = {variant.digest: variant for variant in variants_of(entry, digits)}
    return matches[only_digest(entry.name, digits, list(matches))]


def only_digest(model: str, digits: str, digests: Sequence[str]) -> str:
    """Returns the one digest that begins with the digits, of those of the model's variants that do.

    Raises:
        InvalidInputError: there are several.
        NotFoundError: there is none.
    """
    if not digests:
        raise NotFoundError(
            f"model `{model}` has no variant `{digits[:SHOWN_DIGITS]}`", reason="variant_not_found", field="variant"
        )
    if len(digests) > 1:
        raise InvalidInputError(f"`variant` begins the digests of {len(digests)} variants; write more", field="variant")
    return digests[0]
