"""What is asked for and cannot be had on a machine is refused by name, with what there is."""

from __future__ import annotations

import pytest
from selection_doubles import CPU, INT8, OPENVINO, SAFE, entry_of

from panope_backends.api import Device
from panope_backends.errors import PreconditionError
from panope_server.runtime.placement.constraints import LoadConstraints
from panope_server.runtime.placement.possible import refuse_impossible_default, refuse_impossible_load

BROKEN = Device("qnn", "HTP", available=False, reason="the module `qnn` is not installed")
DEVICES = (CPU, OPENVINO, BROKEN)
ENTRY = entry_of(SAFE, INT8)


@pytest.mark.parametrize(
    ("constraints", "field", "told"),
    [
        (LoadConstraints(backend="cuda"), "backend", "no backend `cuda` on this machine; it has cpu, openvino, qnn"),
        (LoadConstraints(precision="int3"), "precision", "model `v/m` has safetensors fp32, openvino int8, and"),
        (LoadConstraints(precision="q8_0"), "precision", "`precision` cannot be `q8_0`"),
        (LoadConstraints(precision="fp64"), "precision", "the devices here compute in fp32, bf16"),
        (LoadConstraints("cpu", "fp16"), "precision", "`precision` cannot be `fp16`"),
        (LoadConstraints("qnn", "fp16"), "precision", "the devices here compute in none"),
    ],
)
def test_a_load_that_nothing_here_can_meet_is_refused_by_field_and_with_what_there_is(
    constraints: LoadConstraints, field: str, told: str
) -> None:
    with pytest.raises(PreconditionError) as caught:
        refuse_impossible_load(DEVICES, ENTRY, constraints)
    assert caught.value.field == field
    assert told in caught.value.message


@pytest.mark.parametrize(
    "constraints",
    [LoadConstraints(), LoadConstraints("openvino", "bf16"), LoadConstraints(precision="int8"), LoadConstraints("qnn")],
)
def test_a_load_that_could_be_met_is_left_to_selection(constraints: LoadConstraints) -> None:
    refuse_impossible_load(DEVICES, ENTRY, constraints)


@pytest.mark.parametrize(
    ("backend", "precision", "told"),
    [
        ("nosuch", "", "there is no backend `nosuch` on this machine; it has cpu, openvino, qnn"),
        ("qnn", "", "the backend `qnn` has no device on this machine: the module `qnn` is not installed"),
        ("", "int3", "weights are quantized to int8, int4, w8a16, w8a8, int8wo, q8_0"),
        ("", "float16", "the devices here compute in fp32, bf16"),
    ],
)
def test_settings_with_which_no_model_could_be_loaded_are_refused(backend: str, precision: str, told: str) -> None:
    with pytest.raises(PreconditionError) as caught:
        refuse_impossible_default(DEVICES, backend, precision)
    assert told in caught.value.message


@pytest.mark.parametrize(("backend", "precision"), [("", ""), ("cpu", "bf16"), ("", "int4"), ("", "iq2_xs")])
def test_settings_that_some_model_may_meet_are_taken(backend: str, precision: str) -> None:
    refuse_impossible_default(DEVICES, backend, precision)
