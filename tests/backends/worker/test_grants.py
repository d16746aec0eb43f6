"""Pickled weights and models' own code, in real workers: with an admin's grant, and without."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import Qwen2Model

from panope.worker.v1 import tensors_pb2
from panope.worker.v1 import worker_pb2 as wire
from panope_backends.api import ModelFacts
from panope_backends.engines.torch.encoder.traceable import load_traceable
from panope_backends.engines.torch.encoder.transformer import load_transformer
from panope_backends.errors import PreconditionError
from panope_backends.testing.models import tiny_transformer

Start = Callable[..., tuple[object, wire.WorkerFrame]]

TOKENS = [[1, 5, 2]]

MODELING = """
from pathlib import Path
from transformers import BertConfig, BertModel

Path({canary!r}).write_text("ran")

class OwnModel(BertModel):
    def forward(self, *args, **kwargs):
        from .later_own import SEVEN
        found = super().forward(*args, **kwargs)
        found.last_hidden_state = found.last_hidden_state * 0 + SEVEN
        return found
"""


KNOWN_BY_NAME = """
from transformers import Qwen2Config, Qwen2Model as Theirs

class Qwen2Model(Theirs):
    def __init__(self, config):
        super().__init__(config)
        for layer in self.layers:
            layer.self_attn.scaling *= 9
"""


class Hostile:
    """What a pickle of this class would do to whoever opened it in the usual way."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, ...]:
        import os

        return os.system, (f"touch {self.canary}",)


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


@pytest.fixture(scope="module")
def safe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("safe")
    tiny_transformer(folder)
    return folder


@pytest.fixture
def pickled(tmp_path: Path, safe: Path) -> Path:
    """The same with its weights pickled alone."""
    folder = shutil.copytree(safe, tmp_path / "pickled")
    (folder / "model.safetensors").unlink()
    torch.save(load_file(safe / "model.safetensors"), folder / "pytorch_model.bin")
    return folder


@pytest.fixture
def own_code(tmp_path: Path, safe: Path, canary: Path) -> Path:
    folder = shutil.copytree(safe, tmp_path / "own")
    config = json.loads((folder / "config.json").read_text())
    config |= {"architectures": ["OwnModel"], "auto_map": {"AutoModel": "modeling_own.OwnModel"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "modeling_own.py").write_text(MODELING.format(canary=str(canary)))
    (folder / "later_own.py").write_text("SEVEN = 7")
    return folder


def _tensors(start: Start, folder: Path, **fields: object) -> tuple[wire.WorkerFrame, np.ndarray | None]:
    """The worker's first word, and what it makes of three tokens if it serves."""
    worker, first = start("cpu", task="", folder=str(folder), **fields)
    if first.kind != "ready":
        return first, None
    ids = np.array(TOKENS)
    arrays = {spec.name: ids if spec.name == "input_ids" else np.ones_like(ids) for spec in first.ready.inputs}
    arrays |= {"token_type_ids": np.zeros_like(ids)} if "token_type_ids" in arrays else {}
    inputs = [
        tensors_pb2.Tensor(name=name, dtype="int64", shape=array.shape, data=array.tobytes())
        for name, array in arrays.items()
    ]
    # The fixture says what it is, which the types do not know.
    answer = worker.ask("tensors", tensors_pb2.TensorInput(inputs=inputs))  # type: ignore[attr-defined]
    return first, np.frombuffer(answer.tensors.outputs[0].data, "<f4")


def _facts(folder: Path, format_: str, *grants: str) -> ModelFacts:
    config = json.loads((folder / "config.json").read_text())
    return ModelFacts("a/b", format_, "", config["architectures"][0], config, grants)


def _states(folder: Path, format_: str, *grants: str) -> np.ndarray:
    module, *_ = load_transformer(_facts(folder, format_, *grants), folder, "fp32")
    with torch.inference_mode():
        states: np.ndarray = module(torch.tensor(TOKENS)).last_hidden_state.numpy()
    return states


def test_granted_pickles_give_what_safetensors_give(safe: Path, pickled: Path) -> None:
    np.testing.assert_array_equal(_states(pickled, "pytorch", "pickles"), _states(safe, "safetensors"))


def test_pickles_without_a_grant_are_not_opened(pickled: Path) -> None:
    with pytest.raises(PreconditionError, match=r"`grants\.pickles` does not list it"):
        load_transformer(_facts(pickled, "pytorch", "remote_code"), pickled, "fp32")


def test_a_hostile_pickle_does_nothing_even_with_a_grant(
    start: Start, pickled: Path, canary: Path, message_of: Callable[[wire.Failure], str]
) -> None:
    torch.save({"embeddings.word_embeddings.weight": Hostile(canary)}, pickled / "pytorch_model.bin")
    first, _ = _tensors(start, pickled, format="pytorch", grants=["pickles", "remote_code"])
    assert message_of(first.failure) == "transformers refuses the model's files"
    assert not canary.exists()
    torch.load(pickled / "pytorch_model.bin", weights_only=False)
    assert canary.exists()  # it would have


def test_a_bare_pickle_does_nothing_either(pickled: Path, canary: Path) -> None:
    (pickled / "pytorch_model.bin").write_bytes(
        pickle.dumps({"embeddings.word_embeddings.weight": Hostile(canary)}, protocol=2)
    )
    with pytest.raises(PreconditionError, match="transformers refuses"):
        load_transformer(_facts(pickled, "pytorch", "pickles"), pickled, "fp32")
    assert not canary.exists()
    pickle.loads((pickled / "pytorch_model.bin").read_bytes())
    assert canary.exists()  # it would have


def test_granted_code_runs_in_the_worker(start: Start, own_code: Path, canary: Path) -> None:
    _, found = _tensors(start, own_code, grants=["remote_code"])
    assert found is not None
    assert set(found) == {7.0}
    assert canary.read_text() == "ran"


def test_code_without_a_grant_does_not_run(own_code: Path, canary: Path) -> None:
    with pytest.raises(PreconditionError, match=r"`grants\.remote_code` does not list it"):
        load_transformer(_facts(own_code, "safetensors", "pickles"), own_code, "fp32")
    assert not canary.exists()


@pytest.fixture
def own_attention(tmp_path: Path) -> Path:
    """A class of the name and the type that transformers has, which computes something else."""
    tiny_transformer(tmp_path, "qwen2", num_key_value_heads=2)
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"auto_map": {"AutoModel": "modeling_own.Qwen2Model"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "modeling_own.py").write_text(KNOWN_BY_NAME)
    return tmp_path


def test_granted_code_runs_in_the_place_of_a_class_that_transformers_knows(own_attention: Path) -> None:
    theirs, own = Qwen2Model.from_pretrained(own_attention), Qwen2Model.from_pretrained(own_attention)
    for layer in own.layers:
        layer.self_attn.scaling *= 9
    with torch.inference_mode():
        wrong, right = (model.eval()(torch.tensor(TOKENS)).last_hidden_state.numpy() for model in (theirs, own))
    found = _states(own_attention, "safetensors", "remote_code")
    np.testing.assert_allclose(found, right, atol=1e-5)
    assert np.abs(found - wrong).max() > 1e-3
    traceable = load_traceable(_facts(own_attention, "safetensors", "remote_code"), own_attention)
    ids = np.array(TOKENS)
    converted = traceable.run({"input_ids": ids, "attention_mask": np.ones_like(ids)})
    np.testing.assert_allclose(converted, right, atol=1e-5)


def test_a_class_that_transformers_knows_is_no_stand_in_for_code_without_a_grant(own_attention: Path) -> None:
    with pytest.raises(PreconditionError, match=r"`grants\.remote_code` does not list it"):
        load_transformer(_facts(own_attention, "safetensors"), own_attention, "fp32")
