"""How a placement is chosen: what fits, what is asked for, what was measured, and why."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from selection_doubles import (
    CPU,
    CUDA,
    GB,
    INT8,
    MADE,
    ONNX,
    OPENVINO,
    SAFE,
    TO_OPENVINO,
    Here,
    entry_of,
    labels,
    measured,
    variant,
)

from panope_backends.errors import CapacityError, InvalidInputError, NotFoundError, PreconditionError
from panope_server.runtime.placement.constraints import UNCONSTRAINED, LoadConstraints
from panope_server.runtime.placement.selection.rejections import Rejection, no_candidate


def test_without_constraints_or_measurements_the_usually_fastest_backend_is_chosen_and_says_why() -> None:
    selection = Here().choose([SAFE])
    assert labels(selection) == ["openvino CPU with openvino fp32", "cpu CPU with safetensors fp32"]
    assert selection.candidates[0].conversion == TO_OPENVINO
    assert selection.reasons[0] == (
        "openvino runs openvino, after conversion from safetensors; before cpu CPU with safetensors fp32, because "
        "openvino is usually faster than cpu; `panope bench` measures"
    )
    assert selection.reasons[1] == "cpu runs safetensors"


def test_nobody_is_told_a_precision_that_nobody_asked_for() -> None:
    assert {candidate.precision for candidate in Here().choose([SAFE]).candidates} == {""}
    assert {
        candidate.precision for candidate in Here().choose([SAFE], LoadConstraints(precision="bf16")).candidates
    } == {"bf16"}


def test_what_was_converted_is_run_and_not_converted_again() -> None:
    selection = Here().choose([SAFE, MADE])
    assert (selection.candidates[0].variant, selection.candidates[0].conversion) == (MADE, None)
    assert len(selection.candidates) == 2


def test_what_an_older_engine_made_is_made_again() -> None:
    old = replace(MADE, engine_version="2025.1+1")
    selection = Here().choose([SAFE, old])
    assert (selection.candidates[0].variant, selection.candidates[0].conversion) == (SAFE, TO_OPENVINO)
    assert "openvino fp32: it was made by 2025.1+1, which is not the installed version" in map(
        str, selection.rejections
    )


def test_a_quantized_variant_is_chosen_only_when_it_is_asked_for() -> None:
    everything = [SAFE, MADE, INT8]
    assert Here().choose(everything).candidates[0].variant == MADE
    assert labels(Here().choose(everything, LoadConstraints(precision="int8"))) == ["openvino CPU with openvino int8"]
    assert Here().choose(everything, preferred_precision="int8").candidates[0].variant == INT8


def test_a_quantized_variant_is_chosen_when_a_finer_one_does_not_fit_and_the_numbers_are_told() -> None:
    selection = Here(free={"openvino": GB // 2, "cpu": GB // 2}).choose([SAFE, MADE, INT8])
    assert labels(selection) == ["openvino CPU with openvino int8"]
    assert "which needs 1.00 GB of memory and 500.0 MB are free" in selection.reasons[0]


def test_what_was_measured_to_be_taken_counts_where_it_is_more_than_was_expected() -> None:
    here = Here(devices=[CPU], free={"cpu": 2 * GB})
    assert here.choose([SAFE], profiles=[measured(SAFE, CPU, 1.0, memory_bytes=GB // 2)]).candidates[0].need_bytes == GB
    with pytest.raises(CapacityError, match=r"needs 3\.00 GB"):
        here.choose([SAFE], profiles=[measured(SAFE, CPU, 1.0, memory_bytes=3 * GB)])


def test_each_instance_takes_its_memory() -> None:
    here = Here(free={"openvino": 3 * GB, "cpu": 3 * GB})
    assert here.choose([SAFE, MADE], instances=3)
    with pytest.raises(CapacityError, match=r"needs 4\.00 GB of memory and 3\.00 GB are free"):
        here.choose([SAFE, MADE], instances=4)


def test_what_fits_nowhere_is_refused_with_both_numbers_of_each() -> None:
    here = Here(free={"openvino": GB // 8, "cpu": GB // 8})
    with pytest.raises(CapacityError) as caught:
        here.choose([SAFE, MADE, INT8])
    assert caught.value.reason == "insufficient_memory"
    for label in ("cpu CPU with safetensors fp32", "openvino CPU with openvino fp32"):
        assert f"{label}: needs 1.00 GB of memory and 125.0 MB are free" in caught.value.message
    large = variant("huge", "safetensors", "fp32", 100 * GB)
    with pytest.raises(PreconditionError, match="does not fit this machine") as never:
        Here(free={"openvino": 50 * GB, "cpu": 50 * GB}).choose([large])
    assert never.value.reason == "insufficient_memory"


def test_the_preferred_format_and_precision_come_before_speed() -> None:
    fast = [measured(MADE, OPENVINO, 1000.0), measured(ONNX, CPU, 10.0)]
    selection = Here().choose([SAFE, MADE, ONNX], profiles=fast, preferred_format="onnx")
    assert selection.candidates[0].variant == ONNX
    assert "because its format is the preferred one" in selection.reasons[0]
    half = variant("half", "safetensors", "bf16")
    selection = Here(devices=[CPU]).choose([SAFE, half], preferred_precision="bf16")
    assert selection.candidates[0].variant == half


def test_a_backend_that_supports_all_of_a_model_comes_first() -> None:
    selection = Here(partial=["openvino"]).choose([SAFE, MADE])
    assert selection.candidates[0].device == CPU
    assert "because the other is supported in part" in selection.reasons[0]


def test_measurements_of_this_device_decide_between_equals() -> None:
    profiles = [measured(SAFE, CPU, 900.0), measured(MADE, OPENVINO, 300.0)]
    selection = Here().choose([SAFE, MADE], profiles=profiles)
    assert selection.candidates[0].device == CPU
    assert "because it was measured at 900/s against 300/s" in selection.reasons[0]


@pytest.mark.parametrize(
    "stale",
    [{"engine_version": "an older one"}, {"workload": "embed-22-words-batch-1"}, {"precision": "int8"}],
    ids=lambda stale: next(iter(stale)),
)
def test_measurements_of_something_else_do_not(stale: dict[str, str]) -> None:
    profiles = [measured(SAFE, CPU, 900.0, **stale), measured(MADE, OPENVINO, 300.0)]
    constraints = LoadConstraints(precision="fp32") if "precision" in stale else LoadConstraints()
    assert Here().choose([SAFE, MADE], constraints, profiles).candidates[0].device == OPENVINO


def test_of_two_cards_the_one_with_more_memory_left_is_taken() -> None:
    other = replace(CUDA, name="cuda:1")
    here = Here(devices=[CUDA, other], free={"torch-cuda": None})
    here.free_on = {"cuda:0": 2 * GB, "cuda:1": 5 * GB}
    selection = here.choose([SAFE])
    assert selection.candidates[0].device == other
    assert "because its device has more memory left" in selection.reasons[0]


def test_what_was_measured_with_two_cores_decides_nothing_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Here(devices=[CPU, OPENVINO, CUDA])
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3, 4})
        others = [measured(SAFE, CPU, 900.0), measured(MADE, OPENVINO, 300.0)]
    assert others[0].device.endswith(" (5 usable)")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    assert "measured" not in here.choose([SAFE, MADE], profiles=others).reasons[0]
    own = [measured(SAFE, CPU, 900.0), measured(MADE, OPENVINO, 300.0)]
    assert here.choose([SAFE, MADE], profiles=[*others, *own]).candidates[1].device == CPU
    assert "usable" not in measured(SAFE, CUDA, 1.0).device, "a card is the same beside any processor"


def test_a_candidate_that_nobody_measured_keeps_its_place() -> None:
    here = Here(devices=[CUDA, OPENVINO, CPU])
    profiles = [measured(SAFE, CPU, 900.0), measured(MADE, OPENVINO, 300.0)]
    selection = here.choose([SAFE, MADE], profiles=profiles)
    assert [candidate.device.backend for candidate in selection.candidates] == ["torch-cuda", "cpu", "openvino"]
    profiles = [measured(SAFE, CPU, 900.0), measured(SAFE, CUDA, 300.0)]
    selection = here.choose([SAFE, MADE], profiles=profiles)
    assert [candidate.device.backend for candidate in selection.candidates] == ["cpu", "openvino", "torch-cuda"]
    assert "measured to be faster than what came before that one" in selection.reasons[0]


def test_the_fastest_measured_precision_is_computed_in() -> None:
    profiles = [measured(SAFE, CPU, 100.0), measured(SAFE, CPU, 300.0, precision="bf16")]
    assert Here(devices=[CPU]).choose([SAFE], profiles=profiles).candidates[0].precision == "bf16"
    assert (
        Here(devices=[CPU]).choose([SAFE], LoadConstraints(precision="fp32"), profiles).candidates[0].precision
        == "fp32"
    )


def test_a_variant_that_is_named_is_run_as_it_is() -> None:
    selection = Here().choose([SAFE, MADE, INT8], LoadConstraints(variant=SAFE.digest[:8]))
    assert labels(selection) == ["cpu CPU with safetensors fp32"]
    old = replace(MADE, engine_version="2025.1+1")
    assert Here().choose([SAFE, old], LoadConstraints(variant=old.digest)).candidates[0].variant == old
    with pytest.raises(NotFoundError):
        Here().choose([SAFE], LoadConstraints(variant="f" * 64))
    with pytest.raises(InvalidInputError):
        Here().choose([SAFE], LoadConstraints(variant="f" * 7))


def test_what_another_machine_made_and_keeps_to_itself_is_said_to_be_so() -> None:
    elsewhere = replace(INT8, is_local=False, is_obtainable=False)
    with pytest.raises(PreconditionError, match="openvino int8: it was made on another machine, which does not share"):
        Here().choose([SAFE, elsewhere], LoadConstraints(variant=elsewhere.digest))


def test_a_precision_that_no_variant_has_is_refused_with_the_way_to_get_it() -> None:
    with pytest.raises(PreconditionError, match="no variant in int4 here; `panope build` makes one") as caught:
        Here().choose([SAFE, MADE], LoadConstraints(precision="int4"))
    assert (caught.value.reason, caught.value.field) == ("variant_not_found", "precision")


def test_a_constraint_that_no_device_can_honour_is_refused_with_the_reason_of_each() -> None:
    with pytest.raises(PreconditionError, match="cpu CPU with safetensors fp32: computes in fp32, bf16, not in fp16"):
        Here().choose([SAFE], LoadConstraints(precision="fp16"))
    with pytest.raises(PreconditionError, match="no backend `tpu`"):
        Here().choose([SAFE], LoadConstraints(backend="tpu"))
    gone = replace(CPU, available=False, reason="its driver is missing")
    with pytest.raises(PreconditionError, match="its driver is missing"):
        Here(devices=[gone]).choose([SAFE])


def test_only_what_is_here_is_run_unless_nothing_is() -> None:
    away = replace(SAFE, is_local=False)
    assert {candidate.variant for candidate in Here().choose([away, ONNX]).candidates} == {ONNX}
    assert {candidate.variant for candidate in Here().choose([away]).candidates} == {away}


def test_of_variants_alike_the_one_with_the_plainer_file_name_comes_first() -> None:
    plain, other = variant("z", "onnx", "fp32", order=0), variant("a", "onnx", "fp32", order=1)
    for given_order in ([plain, other], [other, plain]):
        selection = Here(devices=(CPU,)).choose(given_order)
        assert [candidate.variant.digest for candidate in selection.candidates] == [plain.digest, other.digest]
        assert "because its file has the plainer name" in selection.reasons[0]


def test_an_adapter_is_applied_by_its_backend_or_merged_by_a_conversion() -> None:
    here = Here()
    here.choose([variant("lora", "safetensors", "fp32", base_models=("vendor/base",))])
    asked = {(facts.format, facts.has_adapter) for facts in here.asked}
    assert asked == {("safetensors", True), ("openvino", False)}


def test_what_no_conversion_helps_is_no_candidate_and_its_reason_is_told_once() -> None:
    with pytest.raises(PreconditionError, match=r"^no device can run this model: no class for it$") as caught:
        Here(unknown="no class for it").choose([SAFE])
    assert caught.value.reason == "no_backend"


def test_of_a_model_that_lacks_a_grant_nothing_but_the_grant_is_told() -> None:
    of_grant = Rejection("cpu CPU with safetensors fp32", "code of its own, and `grants.remote_code` does not list it")
    of_format = Rejection("llama-cpp CPU with safetensors fp32", "it runs gguf")
    error = no_candidate(entry_of(SAFE), UNCONSTRAINED, [of_format, of_grant])
    assert error.message == f"no device can run this model: {of_grant}"


def test_a_device_that_is_emulated_is_chosen_only_where_nothing_else_runs_the_model() -> None:
    emulated = replace(OPENVINO, is_emulated=True)
    fast = measured(MADE, emulated, 9000)
    selection = Here(devices=(emulated, CPU)).choose([SAFE, MADE], profiles=[fast])
    assert labels(selection) == ["cpu CPU with safetensors fp32", "openvino CPU with openvino fp32"]
    assert "because the other's device is emulated" in selection.reasons[0]
    assert labels(Here(devices=(emulated,)).choose([MADE])) == ["openvino CPU with openvino fp32"]


def test_what_the_machine_lacks_is_told_once_and_not_as_a_reason_against_the_model() -> None:
    gone = replace(CUDA, available=False, reason="there is no driver")
    selection = Here(devices=(gone, CPU)).choose([SAFE, ONNX])
    assert list(map(str, selection.rejections)) == ["torch-cuda cuda:0: there is no driver"]
    with pytest.raises(PreconditionError) as refused:
        Here(devices=(gone, CPU)).choose([INT8], LoadConstraints(variant=INT8.digest))
    assert "cpu runs no openvino" in refused.value.message
    assert "driver" not in refused.value.message
    with pytest.raises(PreconditionError, match="there is no driver"):
        Here(devices=(gone,)).choose([SAFE])


def test_instances_are_spread_over_cards_that_are_alike() -> None:
    second = replace(CUDA, name="cuda:1", pci_address="0000:02:00.0")
    other = replace(CUDA, name="cuda:2", memory_bytes=9 * GB)
    here = Here(devices=(CUDA, second, other), free_on={"cuda:0": 5 * GB, "cuda:1": 4 * GB, "cuda:2": 9 * GB})
    found = here.choose([variant("b", "safetensors", "fp32", 2 * GB)], instances=3).candidates
    spread = {each.device.name: [device.name for device in each.devices] for each in found}
    assert spread["cuda:0"] == ["cuda:0", "cuda:1", "cuda:0"]
    assert spread["cuda:2"] == ["cuda:2"] * 3
    of_first = next(each for each in found if each.device == CUDA)
    assert of_first.shares == {CUDA: 4 * GB, second: 2 * GB}
    assert of_first.need_bytes == 6 * GB, "which neither has alone"


def test_a_card_of_several_that_is_too_full_is_named() -> None:
    second = replace(CUDA, name="cuda:1")
    here = Here(devices=(CUDA, second), free_on={"cuda:0": 5 * GB, "cuda:1": GB})
    with pytest.raises(CapacityError, match=r"needs 2\.00 GB of memory on cuda:1 and 1\.00 GB are free"):
        here.choose([variant("b", "safetensors", "fp32", 2 * GB)], instances=2)


def test_instances_on_processors_stay_together() -> None:
    best = Here(devices=(CPU,), free={"cpu": 9 * GB}).choose([SAFE], instances=2).candidates[0]
    assert best.shares == {CPU: 2 * GB}
