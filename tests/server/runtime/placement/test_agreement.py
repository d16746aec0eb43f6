"""What is fast and answers wrong is never chosen, and never recommended."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest
from selection_doubles import CPU, CUDA, GB, INT8, MADE, OPENVINO, SAFE, Here, entry_of, measured

from panope_backends.errors import InvalidInputError, PreconditionError
from panope_registry.models.types import ModelEntry, VariantEntry
from panope_server.runtime.bench.reference import compared, reference_of
from panope_server.runtime.placement.constraints import LoadConstraints
from panope_server.runtime.placement.recommendation import recommend
from panope_server.runtime.placement.workloads import measured_task, models_task
from panope_server.tasks.embed import EmbedInput, EmbedOutput

WRONG = {"agreement": 0.2, "least_agreement": 0.99, "reference": "cpu CPU with safetensors fp32"}
RIGHT = WRONG | {"agreement": 0.9999}


def test_the_fastest_that_agrees_is_chosen_and_the_wrong_one_told_with_the_reason() -> None:
    profiles = [measured(SAFE, CPU, 300.0, details=RIGHT), measured(MADE, OPENVINO, 9000.0, details=WRONG)]
    selection = Here().choose([SAFE, MADE], profiles=profiles)
    assert [candidate.device for candidate in selection.candidates] == [CPU]
    (told,) = [each for each in selection.rejections if each.label.startswith("openvino")]
    assert told.reason == (
        "it was measured to answer otherwise than cpu CPU with safetensors fp32: they agree by 0.20, and 0.99 is the "
        "least; `panope bench` measures again"
    )
    profiles[1] = replace(profiles[1], details=RIGHT)
    assert Here().choose([SAFE, MADE], profiles=profiles).candidates[0].device == OPENVINO


def test_in_another_precision_a_device_may_be_right() -> None:
    profiles = [
        measured(MADE, OPENVINO, 9000.0, precision="bf16", details=WRONG),
        measured(MADE, OPENVINO, 900.0, precision="fp32", details=RIGHT),
        measured(SAFE, CPU, 300.0, details=RIGHT),
    ]
    first = Here().choose([SAFE, MADE], profiles=profiles).candidates[0]
    assert (first.device, first.precision) == (OPENVINO, "fp32")


def test_what_was_wrong_with_other_cores_is_wrong_until_measured_with_these(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
        wrong = measured(MADE, OPENVINO, 9000.0, details=WRONG)
    right = measured(MADE, OPENVINO, 900.0, details=RIGHT)
    assert wrong.device != right.device
    with pytest.raises(PreconditionError, match="answer otherwise"):
        Here(devices=[OPENVINO]).choose([MADE], profiles=[wrong])
    assert Here(devices=[OPENVINO]).choose([MADE], profiles=[wrong, right]).candidates


def test_who_names_a_backend_gets_it() -> None:
    profiles = [measured(MADE, OPENVINO, 9000.0, details=WRONG)]
    named = Here().choose([SAFE, MADE], LoadConstraints(backend="openvino"), profiles)
    assert named.candidates[0].device == OPENVINO
    assert Here().choose([MADE], LoadConstraints(variant=MADE.digest[:8]), profiles).candidates
    with pytest.raises(PreconditionError, match="answer otherwise"):
        Here(devices=[OPENVINO]).choose([MADE], profiles=profiles)


def test_the_reference_is_nearest_to_the_model_as_it_was_published() -> None:
    def candidates(*precisions: str) -> Any:
        here = Here(devices=[CUDA, OPENVINO, CPU])
        found = here.choose([SAFE, MADE, INT8]).candidates
        return [replace(each, precision=precision) for each in found for precision in precisions]

    chosen = reference_of(candidates("bf16", "fp32"))
    assert (chosen.device, chosen.variant, chosen.precision) == (CPU, SAFE, "fp32")


def answer(*values: float) -> Any:
    import numpy as np

    return EmbedInput(["a"]), EmbedOutput(np.array(values, "<f4").tobytes(), 1, len(values), [1], [])


def test_quantized_weights_may_differ_more() -> None:
    made, int8 = Here(devices=[OPENVINO]).choose([MADE, INT8]).candidates
    expected, found = {"w": [answer(1, 0)]}, {"w": [answer(1, 0.25)]}
    of_float = compared(expected, found, "w", made, made)
    of_int8 = compared(expected, found, "w", made, int8)
    assert of_float["agreement"] == of_int8["agreement"] == pytest.approx(0.970143)
    assert (of_float["least_agreement"], of_int8["least_agreement"]) == (0.99, pytest.approx(0.96))
    assert compared({}, found, "w", made, made) == {}


def test_the_largest_model_within_the_limits_is_recommended_first() -> None:
    small = entry_of(replace(SAFE, parameter_count=10**6))
    large = replace(entry_of(replace(MADE, parameter_count=10**9)), name="v/large")
    other = replace(entry_of(INT8), name="v/other")
    single = {"workload": "embed-22-words-batch-1", "details": RIGHT}
    profiles = [
        measured(SAFE, CPU, 300.0, details=RIGHT, memory_bytes=GB),
        measured(SAFE, CPU, 100.0, latency_p50_seconds=0.01, memory_bytes=GB, **single),
        measured(MADE, OPENVINO, 50.0, details=RIGHT, memory_bytes=8 * GB),
        measured(MADE, OPENVINO, 10.0, latency_p50_seconds=0.1, memory_bytes=8 * GB, **single),
    ]

    def names(**limits: Any) -> list[list[str]]:
        found = recommend([small, large, other], profiles, [CPU, OPENVINO], **limits)
        return [[way.model for way in found.models], list(found.beyond), list(found.unmeasured)]

    assert names() == [["v/large", "v/m"], [], ["v/other"]]
    assert names(max_latency_seconds=0.05) == [["v/m"], ["v/large"], ["v/other"]]
    assert names(max_memory_bytes=2 * GB) == [["v/m"], ["v/large"], ["v/other"]]
    assert names(max_memory_bytes=GB // 2) == [[], ["v/m", "v/large"], ["v/other"]]
    assert recommend([small], profiles, [OPENVINO]).unmeasured == ["v/m"], "on another machine"
    wrong = [replace(profile, details=WRONG) for profile in profiles]
    found = recommend([small, large, other], wrong, [CPU, OPENVINO])
    assert [found.models, found.beyond] == [[], []]
    assert [found.disagreeing, found.unmeasured] == [["v/m", "v/large"], ["v/other"]]


def test_of_models_that_classify_only_those_that_hear_are_recommended_for_audio() -> None:
    def entry(variant: VariantEntry, name: str, architecture: str) -> ModelEntry:
        return replace(entry_of(variant), name=name, task="classify", architecture=architecture)

    texts = entry(SAFE, "v/texts", "BertForSequenceClassification")
    audio = entry(MADE, "v/audio", "Wav2Vec2ForSequenceClassification")
    unmeasured = entry(INT8, "v/unmeasured", "HubertForSequenceClassification")
    profiles = [
        replace(measured(SAFE, CPU, 300.0), workload="classify-22-words-batch-32"),
        replace(measured(MADE, CPU, 2.0), workload="classify-5-seconds"),
    ]
    found = recommend([texts, audio, unmeasured], profiles, [CPU], task="classify-audio")
    assert [way.model for way in found.models] == ["v/audio"]
    assert found.unmeasured == ["v/unmeasured"]
    assert not recommend([texts], [], [CPU], task="classify-audio").unmeasured
    every = recommend([texts, audio, unmeasured], profiles, [CPU], task="classify")
    assert {way.model for way in every.models} == {"v/audio", "v/texts"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("embedd", "`task`: `embedd` is no task; did you mean `embed`?"),
        ("weather", "`task`: `weather` is no task; `panope bench` measures classify, classify-audio, "),
        ("detect-speech", "`task`: `panope bench` has no workload for `detect-speech`; it measures classify, "),
    ],
)
def test_a_task_that_nothing_measures_is_refused(name: str, said: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        measured_task(name)
    assert refused.value.message.startswith(said)


def test_the_hubs_word_for_a_task_means_it() -> None:
    assert measured_task("text-generation").name == "generate"
    assert models_task(measured_task("classify-audio")) == "classify"
