"""Conversion to OpenVINO's format: any architecture with a base model computes the same as in torch."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panope_backends.api import LoadOptions, ModelFacts
from panope_backends.engines import equivalence
from panope_backends.engines.openvino import convert
from panope_backends.engines.openvino.backend import OpenVinoBackend
from panope_backends.engines.torch import CpuBackend
from panope_backends.errors import PreconditionError
from panope_backends.model_facts.text_graphs import tensor_name
from panope_backends.testing.models import VOCABULARY, tiny_transformer

TO_FP32 = OpenVinoBackend().conversions()[0]

GROUPED = {"num_key_value_heads": 2, "head_dim": 8}

#: The family, changes to its configuration, and whether it tells segments apart.
ARCHITECTURES: list[tuple[str, dict[str, Any], bool]] = [
    ("bert", {}, True),
    ("mpnet", {}, False),
    ("roberta", {"type_vocab_size": 1}, False),
    ("xlm-roberta", {"type_vocab_size": 1}, False),
    ("distilbert", {}, False),
    ("modernbert", {"local_attention": 12}, False),
    ("qwen2", {"num_key_value_heads": 2}, False),
    ("qwen3", GROUPED, False),
    ("gemma3_text", GROUPED | {"sliding_window": 12}, False),
    # Its encoder alone.
    ("t5", {"d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4}, False),
    # Tracing gives inputs of these numbers for names, beside their own.
    ("bloom", {}, False),
    ("lfm2", {"num_key_value_heads": 2, "layer_types": ["conv", "full_attention"]}, False),
]


def padded(names: list[str], batch: int, length: int, *, left: bool) -> dict[str, np.ndarray[Any, Any]]:
    ids = np.random.default_rng(batch * length).integers(0, VOCABULARY, (batch, length))
    mask = np.ones_like(ids)
    for row in range(1, batch):
        gap = min(length - 1, 5 * row)
        mask[row, :gap] = 0
        if not left:
            mask[row] = mask[row, ::-1]
    arrays = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    return {name: arrays[name] for name in names}


@pytest.mark.parametrize(("kind", "changes", "segments"), ARCHITECTURES, ids=[kind for kind, _, _ in ARCHITECTURES])
def test_the_converted_model_computes_what_torch_computes(
    tmp_path: Path, kind: str, changes: dict[str, Any], segments: bool
) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    out.mkdir()
    facts = tiny_transformer(source, kind, **changes)
    OpenVinoBackend().convert(facts, TO_FP32, source, out)
    assert {path.name for path in out.iterdir()} == {"openvino_model.xml", "openvino_model.bin"}

    exact = LoadOptions(precision="fp32")
    original = CpuBackend().load(facts, source, "CPU", exact)
    converted = OpenVinoBackend().load(facts, out, "CPU", exact)
    assert sorted(converted.inputs, key=str) == sorted(original.inputs, key=str)
    assert list(converted.outputs) == list(original.outputs)
    names = [spec.name for spec in converted.inputs]
    assert ("token_type_ids" in names) is segments

    for batch, length in ((1, 1), (2, 3), (4, 50)):
        for left in (False, True):
            arrays = padded(names, batch, length, left=left)
            expected = original.run(arrays)["last_hidden_state"]
            found = converted.run(arrays)["last_hidden_state"]
            real = arrays["attention_mask"].astype(bool)
            np.testing.assert_allclose(found[real], expected[real], atol=1e-5 * np.abs(expected).max())


def test_a_conversion_that_computes_something_else_is_refused(tmp_path: Path) -> None:
    """Longformer pads to its window, which tracing freezes; only lengths past the window show it."""
    facts = tiny_transformer(tmp_path, "longformer", attention_window=32)
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(PreconditionError, match=r"differ|cannot run|cannot convert") as refusal:
        OpenVinoBackend().convert(facts, TO_FP32, tmp_path, out)
    assert refusal.value.reason == "conversion_failed"
    assert list(out.iterdir()) == []


def test_a_result_that_is_not_a_number_is_refused(bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(equivalence, "_difference", lambda *_: float("nan"))
    with pytest.raises(PreconditionError, match="differ by nan"):
        OpenVinoBackend().convert(tiny_transformer(tmp_path), TO_FP32, tmp_path, tmp_path)


def test_the_proof_is_of_what_was_written(bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that saving loses is noticed, though the graph in memory still has it."""

    def forgetful(graph: Any, file: Path) -> None:
        for tensor in graph.inputs:
            tensor.get_tensor().set_names(set())
            tensor.get_node().set_friendly_name(f"Parameter_{tensor.index}")
        save(graph, file)

    save = convert.save
    monkeypatch.setattr(convert, "save", forgetful)
    facts = ModelFacts("a/b", "safetensors", "embed", "BertModel", json.loads((bert / "config.json").read_text()))
    with pytest.raises(PreconditionError, match="the converted model takes Parameter_0") as caught:
        OpenVinoBackend().convert(facts, TO_FP32, bert, tmp_path)
    assert caught.value.reason == "conversion_failed"


@pytest.mark.parametrize(
    ("names", "node", "found"),
    [
        ({"44", "attention_mask", "attention_mask.3"}, "attention_mask", "attention_mask"),
        ({"44", "attention_mask"}, "Parameter_7", "attention_mask"),
        ({"80", "a"}, "a", "a"),
        ({"80", "x"}, "Result_7", "x"),
        ({"8", "7"}, "Result_7", "7"),
        (set(), "Parameter_7", "Parameter_7"),
    ],
)
def test_of_several_names_the_one_that_was_meant_is_taken(names: set[str], node: str, found: str) -> None:
    assert tensor_name(names, node) == found
