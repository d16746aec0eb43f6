"""Models that compute long texts otherwise: a text's answer depends on nothing that came before it or beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panope_backends.api import ModelFacts
from panope_backends.engines.torch import CpuBackend
from panope_backends.engines.torch.encoder.model import TorchModel, load_torch_model
from panope_backends.errors import PreconditionError
from panope_backends.testing.models import tiny_transformer

#: Past how many tokens each computes otherwise, by its type and what its configuration has.
KINDS: dict[str, tuple[int, str, dict[str, Any]]] = {
    "blocks": (28, "big_bird", {"block_size": 4, "num_random_blocks": 1}),
    "dynamic": (
        16,
        "llama",
        {"max_position_embeddings": 16, "rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 4.0}},
    ),
    "longrope": (
        16,
        "llama",
        {
            "rope_parameters": {
                "rope_type": "longrope",
                "rope_theta": 1e4,
                "factor": 4.0,
                "original_max_position_embeddings": 16,
                "short_factor": [1.0] * 4,
                "long_factor": [9.0] * 4,
            },
        },
    ),
}
_LENGTHS = (40, 5, 33, 12, 40)


def written(folder: Path, name: str) -> ModelFacts:
    _, kind, config = KINDS[name]
    return tiny_transformer(folder, kind, **config)


def inputs(model: TorchModel, ids: list[list[int]], side: str) -> dict[str, np.ndarray[Any, Any]]:
    """Texts of some lengths, padded at a side."""
    width = max(map(len, ids))
    place = {"right": lambda row: slice(0, len(row)), "left": lambda row: slice(width - len(row), width)}[side]
    made = {spec.name: np.zeros((len(ids), width), np.int64) for spec in model.inputs}
    for at, row in enumerate(ids):
        made["input_ids"][at, place(row)] = row
        made["attention_mask"][at, place(row)] = 1
    return made


def answers(model: TorchModel, ids: list[list[int]], side: str = "right") -> list[np.ndarray[Any, Any]]:
    """The values of each text's tokens."""
    given = inputs(model, ids, side)
    found = model.run(given)["last_hidden_state"]
    return [values[mask == 1] for values, mask in zip(found, given["attention_mask"], strict=True)]


@pytest.mark.parametrize("name", KINDS)
def test_a_text_has_the_answer_of_a_fresh_model_whatever_came_before_and_lies_beside_it(
    tmp_path: Path, name: str
) -> None:
    facts = written(tmp_path, name)
    random = np.random.default_rng(0)
    texts = [random.integers(5, 90, length).tolist() for length in _LENGTHS]

    def fresh() -> TorchModel:
        model = load_torch_model(facts, tmp_path, "fp32", 0)
        assert isinstance(model, TorchModel)
        return model

    right = [answers(fresh(), [text])[0] for text in texts]
    model = fresh()
    for order in (texts, texts[::-1]):
        for text in order:
            np.testing.assert_allclose(answers(model, [text])[0], right[texts.index(text)], atol=1e-4)
    for side in ("right", "left"):
        for found, wanted in zip(answers(model, texts, side), right, strict=True):
            np.testing.assert_allclose(found, wanted, atol=1e-4)


@pytest.mark.parametrize("name", KINDS)
def test_the_library_itself_does_answer_by_what_came_before_or_lies_beside(tmp_path: Path, name: str) -> None:
    """Else the other test could not fail."""
    import torch
    from transformers import AutoModel

    written(tmp_path, name)
    short, long = 8, 40
    ids = torch.tensor(np.random.default_rng(0).integers(5, 90, (1, long)))
    mask = torch.ones_like(ids)
    mask[:, short:] = 0
    module = AutoModel.from_pretrained(tmp_path).eval()
    with torch.inference_mode():
        alone = AutoModel.from_pretrained(tmp_path).eval()(ids[:, :short])[0]
        first = module(ids)[0]
        beside = module(ids, attention_mask=mask)[0][:, :short]
        module(ids[:, :short])
        later = module(ids)[0]
    assert max(float((first - later).abs().max()), float((beside - alone).abs().max())) > 1e-4


@pytest.mark.parametrize("name", KINDS)
def test_a_conversion_is_refused_with_the_length(tmp_path: Path, name: str) -> None:
    facts = written(tmp_path, name)
    out = tmp_path / "out"
    out.mkdir()
    backend = CpuBackend()
    conversion = next(each for each in backend.conversions() if each.format == "onnx")
    with pytest.raises(PreconditionError, match=f"texts of more than {KINDS[name][0]} tokens otherwise") as refusal:
        backend.convert(facts, conversion, tmp_path, out)
    assert refusal.value.reason == "conversion_failed"


def test_blocks_that_no_text_is_long_enough_for_change_nothing(tmp_path: Path) -> None:
    from panope_backends.engines.torch.encoder.long_texts import changes_past

    facts = tiny_transformer(tmp_path, "big_bird", block_size=64, num_random_blocks=3)
    model = load_torch_model(facts, tmp_path, "fp32", 0)
    assert isinstance(model, TorchModel)
    assert changes_past(model._module.config) == 0
