"""Rules of selection that hold for every model and machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from selection_doubles import (
    CPU,
    CUDA,
    GB,
    OPENVINO,
    Here,
    measured,
    variant,
)

from panope_backends.errors import PanopeError
from panope_registry.inspect.precisions import is_quantized
from panope_registry.models.types import VariantEntry
from panope_registry.serving_records.profiles import Profile

PRECISIONS = ("fp32", "bf16", "int8", "q4_k_m")
_made = st.booleans()


@st.composite
def _variants(draw: st.DrawFn) -> list[VariantEntry]:
    count = draw(st.integers(1, 5))
    return [
        variant(
            f"v{number}",
            draw(st.sampled_from(("safetensors", "onnx", "openvino"))),
            draw(st.sampled_from(PRECISIONS)),
            draw(st.integers(0, 40)) * GB,
        )
        for number in range(count)
    ]


@st.composite
def _machines(draw: st.DrawFn) -> Here:
    devices = draw(st.lists(st.sampled_from((CPU, OPENVINO, CUDA)), min_size=1, unique=True))
    free = {device.backend: draw(st.none() | st.integers(0, 64).map(lambda size: size * GB)) for device in devices}
    return Here(devices, free, draw(st.lists(st.sampled_from(("cpu", "openvino")), unique=True)))


@st.composite
def _profiles(draw: st.DrawFn, variants: Sequence[VariantEntry]) -> list[Profile]:
    pairs = st.tuples(st.sampled_from(variants), st.sampled_from((CPU, OPENVINO, CUDA)))
    chosen = draw(st.lists(pairs, max_size=6))
    return [measured(of, device, float(draw(st.integers(1, 9)))) for of, device in chosen]


@given(st.data(), _variants(), _machines())
def test_what_is_chosen_fits_and_nothing_is_refused_while_something_fits(
    data: st.DataObject, variants: list[VariantEntry], here: Here
) -> None:
    profiles = data.draw(_profiles(variants))
    unlimited = replace(here, free={})
    try:
        every = unlimited.choose(variants, profiles=profiles).candidates
    except PanopeError:
        return

    def fits(candidate: Any) -> bool:
        free = here.free.get(candidate.device.backend)
        return free is None or candidate.need_bytes <= free

    if any(fits(candidate) for candidate in every):
        candidates = here.choose(variants, profiles=profiles).candidates
        assert all(fits(candidate) for candidate in candidates)
        assert {(candidate.variant, candidate.device) for candidate in candidates} == {
            (w.variant, w.device) for w in every if fits(w)
        }
    else:
        with pytest.raises(PanopeError, match="does not fit"):
            here.choose(variants, profiles=profiles)


@given(st.data(), _variants(), _machines())
def test_the_order_of_what_is_given_does_not_matter(
    data: st.DataObject, variants: list[VariantEntry], here: Here
) -> None:
    profiles = data.draw(_profiles(variants))
    other = replace(here, devices=data.draw(st.permutations(here.devices)))
    mixed = data.draw(st.permutations(variants))

    def chosen(machine: Here, given: Sequence[VariantEntry]) -> Any:
        try:
            return machine.choose(given, profiles=profiles).candidates
        except PanopeError as error:
            return type(error)

    assert chosen(here, variants) == chosen(other, mixed)


@given(st.data(), _variants(), _machines(), st.sampled_from(PRECISIONS), st.sampled_from(("onnx", "safetensors")))
def test_preferences_hold_among_candidates_that_are_supported_alike(
    data: st.DataObject, variants: list[VariantEntry], here: Here, precision: str, form: str
) -> None:
    profiles = data.draw(_profiles(variants))
    try:
        candidates = here.choose(
            variants, profiles=profiles, preferred_format=form, preferred_precision=precision
        ).candidates
    except PanopeError:
        return
    first = candidates[0]
    alike = [candidate for candidate in candidates if candidate.level is first.level]
    if any(form in dict(candidate.lineage) for candidate in alike):
        assert form in dict(first.lineage)
        alike = [candidate for candidate in alike if form in dict(candidate.lineage)]
    if any(candidate.variant.precision == precision and candidate.conversion is None for candidate in alike):
        assert precision in {each for _, each in first.lineage}


@given(st.data(), _variants(), _machines())
def test_a_quantized_variant_never_comes_before_a_finer_one_that_is_supported_alike(
    data: st.DataObject, variants: list[VariantEntry], here: Here
) -> None:
    profiles = data.draw(_profiles(variants))
    try:
        candidates = here.choose(variants, profiles=profiles).candidates
    except PanopeError:
        return
    for before, after in pairwise(candidates):
        if before.level is after.level and is_quantized(before.variant.precision):
            assert is_quantized(after.variant.precision)
