"""Preferences at registration: what can come true is kept, what cannot is refused by name."""

import pytest

from panope_backends.engines.llama_cpp.converter import MIXED, PLAIN
from panope_backends.engines.openvino.backend import OpenVinoBackend
from panope_backends.engines.qnn.backend import QnnBackend
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_registry.models.quantization import TARGETS, Preferences, check_targets, refuse_impossible

SAFETENSORS, GGUF, SMALL_GGUF = ("safetensors", "fp32"), ("gguf", "bf16"), ("gguf", "q8_0")


def test_the_targets_are_what_the_converters_make() -> None:
    openvino = {c.precision for c in OpenVinoBackend().conversions() if c.format == "openvino"} - {"fp32", "fp16"}
    assert {target for target, found in TARGETS.items() if found.format == "openvino"} == openvino
    qnn = {conversion.precision for conversion in QnnBackend().conversions()}
    assert {target for target, found in TARGETS.items() if found.format == "qnn"} == qnn
    assert {target for target, found in TARGETS.items() if found.format == "gguf"} == {*PLAIN, *MIXED}


@pytest.mark.parametrize(
    ("preferences", "held"),
    [
        (Preferences(), [SMALL_GGUF]),
        (Preferences("gguf", "q8_0", ("q4_k_m", "q4_0")), [GGUF]),
        (Preferences("safetensors", "int8", ("int8", "int4")), [SAFETENSORS, SMALL_GGUF]),
        (Preferences("gguf", "q8_0"), [SMALL_GGUF]),
        (Preferences("", "fp32"), [("safetensors", "bf16")]),
    ],
)
def test_what_can_come_true_is_taken(preferences: Preferences, held: list[tuple[str, str]]) -> None:
    check_targets(preferences.quantization_targets)
    refuse_impossible(preferences, held)


@pytest.mark.parametrize(
    ("preferences", "held", "field", "message"),
    [
        (Preferences("onnx"), [SAFETENSORS], "preferred_format", "holds no onnx weights; it holds safetensors"),
        (Preferences("", "int8"), [GGUF], "preferred_precision", "holds no int8 weights, and none can be made"),
        (Preferences("", "fp16"), [SAFETENSORS], "preferred_precision", "it holds safetensors fp32"),
        (
            Preferences("", "", ("int8", "q8_0")),
            [SAFETENSORS],
            "quantization_targets",
            "`q8_0` is made of gguf weights",
        ),
        # Quantizing twice would lose more.
        (
            Preferences("", "", ("q4_0",)),
            [SMALL_GGUF],
            "quantization_targets",
            "of at least 16 bits; the repo holds gguf q8_0",
        ),
    ],
)
def test_what_cannot_come_true_is_refused_by_name(
    preferences: Preferences, held: list[tuple[str, str]], field: str, message: str
) -> None:
    with pytest.raises(PreconditionError) as refusal:
        refuse_impossible(preferences, held)
    assert refusal.value.field == field
    assert message in refusal.value.message


def test_a_target_that_nobody_makes_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidInputError, match="holds `int3`; there are `int8`, `int4`, `w8a16`") as refusal:
        check_targets(["int8", "int3"])
    assert refusal.value.field == "quantization_targets"
