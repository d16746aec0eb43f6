"""Weights of 8 bits by torchao: smaller, much alike, run from what was written, and refused by name elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from panope_backends.api import Conversion, Level, LoadOptions, ModelFacts, StepModel, TensorModel
from panope_backends.engines import packages
from panope_backends.engines.torch import CpuBackend
from panope_backends.errors import PreconditionError
from panope_backends.testing.decoders import tiny_decoder
from panope_backends.testing.models import tiny_transformer
from panope_registry.models.quantization import TARGETS

IDS = {"input_ids": np.array([[3, 5, 7, 11]]), "attention_mask": np.ones((1, 4), np.int64)}

Write = Callable[[Path], ModelFacts]


def conversion() -> Conversion:
    (found,) = (each for each in CpuBackend().conversions() if each.format == "torchao")
    return found


@pytest.fixture
def make(tmp_path: Path) -> Callable[[Write], tuple[ModelFacts, Path, ModelFacts, Path]]:
    """Quantizes a model; its facts and folder, and those of what was made."""
    pytest.importorskip("torchao", reason="torchao is in no lock; `pip install 'panope-serving[torchao]'` brings it")

    def make(write: Write) -> tuple[ModelFacts, Path, ModelFacts, Path]:
        folder, out = tmp_path / "original", tmp_path / "made"
        folder.mkdir()
        out.mkdir()
        facts = write(folder)
        CpuBackend().convert(facts, conversion(), folder, out)
        config = json.loads((out / "config.json").read_text())
        return facts, folder, replace(facts, format="torchao", config=config), out

    return make


def test_an_encoder_keeps_its_answers_within_the_proofs_cosine_in_fewer_bytes(
    make: Callable[[Write], tuple[ModelFacts, Path, ModelFacts, Path]],
) -> None:
    facts, folder, made, out = make(lambda folder: tiny_transformer(folder, hidden_size=128, intermediate_size=512))
    backend = CpuBackend()
    assert backend.supports(made, backend.devices()[0]).level is Level.FULL
    original, smaller = (
        backend.load(each, place, "CPU", LoadOptions(precision="fp32"))
        for each, place in ((facts, folder), (made, out))
    )
    assert isinstance(original, TensorModel)
    assert isinstance(smaller, TensorModel)
    arrays = {spec.name: IDS.get(spec.name, np.zeros((1, 4), np.int64)) for spec in original.inputs}
    first, second = (model.run(arrays)["last_hidden_state"].ravel() for model in (original, smaller))
    cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
    assert 0.99 < cosine < 1
    sizes = [(place / "model.safetensors").stat().st_size for place in (folder, out)]
    assert sizes[1] < sizes[0] / 2
    assert {key for key in made.config if key not in facts.config} == {"quantization_config"}


def test_a_decoder_runs_step_by_step_with_its_last_layer_as_it_was(
    make: Callable[[Write], tuple[ModelFacts, Path, ModelFacts, Path]],
) -> None:
    from torchao.quantization import Int8Tensor

    from panope_backends.engines.torch.decoder.loading import load_decoder

    _, _, made, out = make(lambda folder: tiny_decoder(folder, "qwen2"))
    module = load_decoder(made, out, "bf16", None)
    kinds = {name: type(part.weight) for name, part in module.named_modules() if isinstance(part, torch.nn.Linear)}
    assert kinds.pop("lm_head") is not Int8Tensor
    assert set(kinds.values()) == {Int8Tensor}
    loaded = CpuBackend().load(made, out, "CPU", LoadOptions())
    assert isinstance(loaded, StepModel)
    loaded.close()


@pytest.mark.parametrize(
    ("write", "told"),
    [
        (lambda folder: tiny_decoder(folder, "gpt2"), "has no linear layers"),
        (lambda folder: tiny_decoder(folder, "mamba"), "PyTorch cannot run the quantized model"),
    ],
    ids=["convolutions alone", "a state"],
)
def test_what_does_not_get_smaller_is_refused(
    make: Callable[[Write], tuple[ModelFacts, Path, ModelFacts, Path]], write: Write, told: str
) -> None:
    with pytest.raises(PreconditionError, match=told):
        make(write)


def test_without_the_library_both_ways_name_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    find = packages.find_spec
    monkeypatch.setattr(packages, "find_spec", lambda name: None if name == "torchao" else find(name))
    told = "`torchao` is not installed: pip install 'panope-serving[torchao]'"
    assert conversion().reason == told
    backend = CpuBackend()
    facts = replace(tiny_transformer(tmp_path), format="torchao")
    assert backend.supports(facts, backend.devices()[0]).reason == told
    with pytest.raises(PreconditionError, match="torchao"):
        backend.load(facts, tmp_path, "CPU", LoadOptions())


def test_it_is_what_the_registry_can_ask_for() -> None:
    made = conversion()
    assert (TARGETS[made.precision].format, TARGETS[made.precision].source_formats) == ("torchao", made.source_formats)
