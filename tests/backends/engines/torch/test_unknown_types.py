"""Models of types that transformers has no class for, and of tasks that have no graphs: none is converted."""

from __future__ import annotations

import pytest

from panope_backends.api import Level, ModelFacts
from panope_backends.engines.openvino.backend import OpenVinoBackend
from panope_backends.engines.torch.backend import CpuBackend

REASON = "transformers has no models of the type 'model2vec'"


def facts(model_type: object, **more: object) -> ModelFacts:
    return ModelFacts("a/b", "safetensors", "embed", config={"model_type": model_type, **more})


@pytest.mark.parametrize("backend", [CpuBackend(), OpenVinoBackend()], ids=["cpu", "openvino"])
def test_an_unknown_type_is_refused_for_good(backend: CpuBackend | OpenVinoBackend) -> None:
    device = backend.devices()[0]
    support = backend.supports(facts("model2vec"), device)
    assert (support.level, support.reason, support.is_final) == (Level.NONE, REASON, True)
    for nothing in (None, "", 7):
        assert backend.supports(facts(nothing), device).reason == "config.json names no model_type"


@pytest.mark.parametrize("model_type", ["bert", "xlm-roberta", "openai-gpt", "data2vec-text"])
def test_a_type_that_transformers_knows_is_none_wherever_its_class_lives(model_type: str) -> None:
    backend = OpenVinoBackend()
    support = backend.supports(facts(model_type), backend.devices()[0])
    assert (support.level, "is converted first" in support.reason, support.is_final) == (Level.NONE, True, False)


@pytest.mark.parametrize("model_type", ["../bert", "bert/../../..", "auto map", "x" * 300])
def test_a_type_that_is_no_name_is_unknown_and_never_a_path(model_type: str) -> None:
    support = CpuBackend().supports(facts(model_type), CpuBackend().devices()[0])
    assert (support.level, support.is_final) == (Level.NONE, True)
    assert len(support.reason) < 150


def test_a_model_that_may_bring_its_own_class_is_not_looked_up() -> None:
    model = ModelFacts(
        "a/b", "safetensors", "embed", config={"model_type": "own", "auto_map": {"AutoModel": "m.M"}},
        grants=("remote_code",),
    )  # fmt: skip
    assert CpuBackend().supports(model, CpuBackend().devices()[0]).level is Level.FULL


def test_a_task_that_is_not_converted_is_refused_for_good() -> None:
    backend = OpenVinoBackend()
    support = backend.supports(
        ModelFacts("a/b", "safetensors", "speak", config={"model_type": "speecht5"}), backend.devices()[0]
    )
    assert (support.level, support.is_final) == (Level.NONE, True)
    assert "models that speak" in support.reason
