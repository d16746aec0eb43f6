"""Export to ONNX: ONNX Runtime computes what torch computes, at any batch and any length."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panope_backends.api import LoadOptions, ModelFacts, TensorSpec
from panope_backends.engines.torch import CpuBackend
from panope_backends.errors import PreconditionError
from panope_backends.testing.models import VOCABULARY, tiny_transformer

TO_ONNX = CpuBackend().conversions()[0]
EXACT = LoadOptions(precision="fp32")
GROUPED = {"num_key_value_heads": 2, "head_dim": 8}

#: The family, changes to its configuration, and whether it is tried each time: each takes seconds.
ARCHITECTURES = [
    pytest.param("bert", {}, id="bert"),
    *(
        pytest.param(kind, changes, id=kind, marks=pytest.mark.slow)
        for kind, changes in (
            ("mpnet", {}),
            ("roberta", {"type_vocab_size": 1}),
            ("xlm-roberta", {"type_vocab_size": 1}),
            ("distilbert", {}),
            ("modernbert", {"local_attention": 12}),
            ("qwen2", {"num_key_value_heads": 2}),
            ("qwen3", GROUPED),
            ("gemma3_text", GROUPED | {"sliding_window": 12}),
        )
    ),
]


@pytest.mark.parametrize(("kind", "changes"), ARCHITECTURES)
def test_the_exported_model_computes_what_torch_computes(tmp_path: Path, kind: str, changes: dict[str, Any]) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    out.mkdir()
    facts = tiny_transformer(source, kind, **changes)
    CpuBackend().convert(facts, TO_ONNX, source, out)
    assert [path.name for path in out.iterdir()] == ["model.onnx"]

    original = CpuBackend().load(facts, source, "CPU", EXACT)
    exported = CpuBackend().load(ModelFacts("a/b", "onnx"), out, "CPU", EXACT)
    assert sorted(map(_signature, exported.inputs)) == sorted(map(_signature, original.inputs))
    assert list(map(_signature, exported.outputs)) == list(map(_signature, original.outputs))
    for batch, length in ((1, 1), (2, 3), (4, 50)):
        ids = np.random.default_rng(batch).integers(0, VOCABULARY, (batch, length))
        mask = np.ones_like(ids)
        mask[1:, -1:] = 0
        arrays = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        arrays = {spec.name: arrays[spec.name] for spec in exported.inputs}
        expected = original.run(arrays)["last_hidden_state"][mask.astype(bool)]
        found = exported.run(arrays)["last_hidden_state"][mask.astype(bool)]
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def _signature(spec: TensorSpec) -> tuple[str, str, tuple[int, ...]]:
    """Without the names of axes, which the exporter gives and PyTorch does not have."""
    return spec.name, spec.dtype, spec.shape


@pytest.mark.slow
def test_a_model_whose_shapes_depend_on_its_input_is_refused(tmp_path: Path) -> None:
    """Longformer pads to its window, which an exporter cannot follow."""
    facts = tiny_transformer(tmp_path, "longformer", attention_window=32)
    (tmp_path / "out").mkdir()
    with pytest.raises(PreconditionError, match=r"cannot export|differ|cannot run") as refusal:
        CpuBackend().convert(facts, TO_ONNX, tmp_path, tmp_path / "out")
    assert refusal.value.reason == "conversion_failed"
