"""Variants by the first digits of their digests."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from panope_backends.errors import InvalidInputError, NotFoundError
from panope_registry.models.types import ModelEntry, VariantEntry
from panope_registry.models.variant_digest import find_variant

ONE, OTHER = "abcdef01" + "0" * 56, "abcdef01" + "1" * 56


def _entry(*digests: str) -> ModelEntry:
    variants = tuple(VariantEntry(digest, "onnx", "fp32", 1, 1, None, "", ()) for digest in digests)
    return ModelEntry("v/m", "embed", "BertModel", datetime.now(UTC), {}, variants, {})


@pytest.mark.parametrize("digits", [8, 12, 64])
def test_a_variant_is_found_by_the_digits_that_it_alone_has(digits: int) -> None:
    assert find_variant(_entry(ONE, "9" * 64), ONE[:digits]).digest == ONE


def test_digits_of_two_variants_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="begins the digests of 2 variants"):
        find_variant(_entry(ONE, OTHER), ONE[:8])


def test_a_variant_that_the_model_has_not_is_named() -> None:
    with pytest.raises(NotFoundError, match="no variant `999999999999`") as caught:
        find_variant(_entry(ONE), "9" * 64)
    assert caught.value.reason == "variant_not_found"


@pytest.mark.parametrize("digest", ["", "abcdef0", "ABCDEF01", "abcdefgh", ONE + "0", "abcdef01\n"])
def test_what_is_no_digest_is_refused_by_name(digest: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        find_variant(_entry(ONE), digest)
    assert caught.value.field == "variant"
