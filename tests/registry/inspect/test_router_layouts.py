"""Models whose texts are run in several ways, by sentence-transformers' Router, as they are laid out in folders."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.registry.inspect.folder_layouts import modules, understand

from panope_backends.errors import PreconditionError
from panope_registry.registry import Registry

MakeModel = Callable[..., Path]
Safetensors = Callable[..., bytes]

BERT = {"architectures": ["BertModel"], "model_type": "bert", "hidden_size": 16}


def _routed(make_model: MakeModel, safetensors: Safetensors, **structure: list[str]) -> Path:
    """A Router at the root: a transformer with pooling for documents, and what is given for queries."""
    structure = {"document": ["d_Transformer", "d_Pooling"], **structure}
    kinds = {"q_Table": "StaticEmbedding", "d_Transformer": "Transformer", "d_Pooling": "Pooling"}
    used = [name for name in kinds if any(name in route for route in structure.values())]
    types = {name: f"sentence_transformers.models.{kinds[name]}" for name in used}
    router = {"types": types, "structure": structure, "parameters": {"default_route": "document"}}
    folder = make_model(
        files={"modules.json": modules("Router", "Normalize"), "router_config.json": json.dumps(router)}
    )
    for name in used:
        (folder / name).mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (folder / name).rename(folder / "d_Transformer" / name)
    (folder / "1_Pooling/config.json").rename(folder / "d_Pooling/config.json")
    if "q_Table" in used:
        (folder / "q_Table/model.safetensors").write_bytes(safetensors({"embeddings": ("F32", [64, 16])}))
    return folder


def test_a_router_of_several_encoders_is_a_model_of_all_their_weights(
    registry: Registry, make_model: MakeModel, safetensors: Safetensors
) -> None:
    entry = registry.import_folder(_routed(make_model, safetensors, query=["q_Table"]), "v/m")
    (variant,) = entry.variants
    assert (entry.task, entry.architecture, entry.config["model_type"]) == ("embed", "Router", "bert")
    wanted = {"d_Transformer/model.safetensors", "q_Table/model.safetensors", "router_config.json"}
    assert wanted <= {file.path for file in variant.files}


def test_a_router_of_one_encoder_is_a_model_of_its_class(make_model: MakeModel, safetensors: Safetensors) -> None:
    found = understand(_routed(make_model, safetensors, query=["d_Transformer", "d_Pooling"]))
    assert (found.task, found.architecture) == ("embed", "BertModel")


def test_code_of_a_routes_encoder_is_asked_for_there(make_model: MakeModel, safetensors: Safetensors) -> None:
    folder = _routed(make_model, safetensors, query=["q_Table"])
    (folder / "q_Table/config.json").write_text(json.dumps({"auto_map": {"AutoModel": "own.X"}}))
    with pytest.raises(PreconditionError, match=r"`q_Table/config\.json` asks .*`q_Table/own\.py`"):
        understand(folder)


def test_a_router_whose_file_is_broken_is_refused_at_import(make_model: MakeModel, safetensors: Safetensors) -> None:
    folder = _routed(make_model, safetensors, query=["table"])
    with pytest.raises(PreconditionError, match=r"route `query` in router_config\.json names `table`"):
        understand(folder)


@pytest.mark.parametrize("listed", [{}, {"types": {}, "structure": {}}, {"types": {}, "structure": {"query": []}}])
def test_a_router_without_modules_is_refused_by_its_file_and_not_for_weights(
    make_model: MakeModel, safetensors: Safetensors, listed: Mapping[str, Any]
) -> None:
    folder = _routed(make_model, safetensors, query=["q_Table"])
    (folder / "router_config.json").write_text(json.dumps(listed))
    with pytest.raises(PreconditionError, match=r"router_config\.json|modules\.json"):
        understand(folder)
