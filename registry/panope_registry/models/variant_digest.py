"""A variant of a model by the first digits of its digest, as people write it."""

from __future__ import annotations

import re

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


def find_variant(entry: ModelEntry, digest: str) -> VariantEntry:
    """Returns the one variant of the model whose digest begins so.

    Raises:
        InvalidInputError: it is no such beginning, too short, or that of several variants.
        NotFoundError: the model has no such variant.
    """
    check_digits(digest, "variant")
    matches = {variant.digest: variant for variant in entry.variants if variant.digest.startswith(digest)}
    if not matches:
        raise NotFoundError(
            f"model `{entry.name}` has no variant `{digest[:SHOWN_DIGITS]}`",
            reason="variant_not_found",
            field="variant",
        )
    if len(matches) > 1:
        raise InvalidInputError(f"`variant` begins the digests of {len(matches)} variants; write more", field="variant")
    return next(iter(matches.values()))
