"""Which variant a pull downloads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panope_backends.errors import PreconditionError
from panope_registry.inspect.precisions import is_quantized
from panope_registry.job_handlers.requests import DownloadRequest
from panope_registry.job_handlers.variant_selection import choose_variant
from panope_registry.models.types import ModelEntry, VariantEntry

GB = 10**9
ASK = DownloadRequest("v/m")


def variant(number: int, form: str, precision: str, memory: int = 1, **more: Any) -> VariantEntry:
    values: dict[str, Any] = {"is_local": False, "memory_bytes": memory * GB} | more
    return VariantEntry(f"{number:064x}", form, precision, memory * GB, 0, None, "", (), **values)


def model(variants: Sequence[VariantEntry], **more: Any) -> ModelEntry:
    return ModelEntry("v/m", "", "", datetime.now(UTC), {}, tuple(variants), {}, source="hub", **more)


SAFE = variant(1, "safetensors", "bf16", 16)
F16, Q8, Q4, Q2 = (
    variant(number, "gguf", precision, memory)
    for number, (precision, memory) in enumerate([("f16", 16), ("q8_0", 8), ("q4_k_m", 5), ("q2_k", 3)], 2)
)
EVERY = [F16, Q2, Q8, Q4, SAFE]


def test_weights_as_they_were_published_come_when_they_fit() -> None:
    assert choose_variant(model(EVERY), ASK, 64 * GB) == SAFE
    assert choose_variant(model(EVERY), ASK) == SAFE  # nobody knows what fits


def test_the_usual_quantization_comes_when_they_do_not_and_a_smaller_one_when_that_does_not() -> None:
    assert choose_variant(model(EVERY), ASK, 15 * GB) == Q4
    assert choose_variant(model(EVERY), ASK, 4 * GB) == Q2
    assert choose_variant(model([F16, Q8, Q2]), ASK, 64 * GB) == Q8  # the next finer than the usual one


def test_the_preferred_format_and_precision_come_when_they_fit() -> None:
    assert choose_variant(model(EVERY, preferred_format="gguf"), ASK, 64 * GB) == Q4
    assert choose_variant(model(EVERY, preferred_format="gguf", preferred_precision="q8_0"), ASK, 64 * GB) == Q8
    assert choose_variant(model(EVERY, preferred_precision="Q8_0"), ASK, 64 * GB) == Q8
    assert choose_variant(model(EVERY, preferred_precision="f16"), ASK, 9 * GB) == Q4


def test_what_is_asked_for_comes_whether_it_fits_or_not() -> None:
    assert choose_variant(model(EVERY), DownloadRequest("v/m", precision="F16"), GB) == F16
    assert choose_variant(model(EVERY), DownloadRequest("v/m", format="safetensors"), GB) == SAFE


def test_a_quantized_variant_of_other_formats_comes_only_when_it_is_asked_for() -> None:
    small, full = variant(1, "onnx", "int8"), variant(2, "onnx", "fp32", 4)
    assert choose_variant(model([small, full]), ASK, 64 * GB) == full
    assert choose_variant(model([small, full]), ASK, 2 * GB) == small


def test_what_is_not_offered_is_refused_with_what_is() -> None:
    with pytest.raises(PreconditionError, match="it has gguf f16, gguf q2_k, gguf q4_k_m, gguf q8_0, saf") as caught:
        choose_variant(model(EVERY), DownloadRequest("v/m", precision="int4"))
    assert (caught.value.reason, caught.value.field) == ("variant_not_found", "precision")
    with pytest.raises(PreconditionError) as caught:
        choose_variant(model(EVERY), DownloadRequest("v/m", format="onnx", precision="int4"))
    assert caught.value.field == "format"


def test_when_nothing_fits_the_numbers_are_told() -> None:
    with pytest.raises(PreconditionError, match=r"can have 2\.0 GB: gguf f16 needs 16\.0 GB, .* ask for a") as caught:
        choose_variant(model(EVERY), ASK, 2 * GB)
    assert caught.value.reason == "insufficient_memory"


_variants = st.lists(
    st.tuples(
        st.sampled_from(("safetensors", "openvino", "onnx", "gguf", "another")),
        st.sampled_from(("fp32", "bf16", "int8", "q4_k_m", "iq2_xs", "")),
        st.integers(0, 32),
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
).map(lambda drawn: [variant(n, form, p, memory, is_local=here) for n, (form, p, memory, here) in enumerate(drawn)])


@given(_variants, st.integers(1, 32), st.data())
def test_it_fits_if_anything_does_and_the_order_does_not_matter(
    variants: list[VariantEntry], machine: int, data: st.DataObject
) -> None:
    fitting = [each for each in variants if each.memory_bytes <= machine * GB]
    if not fitting:
        with pytest.raises(PreconditionError, match="does not fit"):
            choose_variant(model(variants), ASK, machine * GB)
        return
    chosen = choose_variant(model(variants), ASK, machine * GB)
    assert chosen in fitting
    assert chosen == choose_variant(model(data.draw(st.permutations(variants))), ASK, machine * GB)
    alike = [each for each in fitting if each.format == chosen.format]
    if is_quantized(chosen.precision) and chosen.format != "gguf":
        assert all(is_quantized(each.precision) for each in alike)
