"""A case for each form of sparse encoder, and for what their files may ask for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file
from zoo_models.architectures import ARCHITECTURES
from zoo_models.case import Case

_BERT, _MODEL = "sentence_bert_config.json", "config_sentence_transformers.json"
_LOGITS = {"text": {"method": "forward", "method_output_name": "logits"}}
_TASK = {"transformer_task": "fill-mask"}
_SPARSE = {"model_type": "SparseEncoder"}


def _sparse(name: str, kind: str = "bert", **settings: Any) -> Case:
    case = next(case for case in ARCHITECTURES if case.name == kind)
    given = settings.pop("files", {})
    files = {_BERT: {**_TASK, **given.get(_BERT, {})}, _MODEL: {**_SPARSE, **given.get(_MODEL, {})}}
    files |= {path: content for path, content in given.items() if path not in files}
    return replace(
        case,
        name=f"sparse: {name}",
        modules=("SpladePooling",),
        load_class="AutoModelForMaskedLM",
        files=files,
        **settings,
    )


def _not_finite(folder: Path) -> None:
    place = folder / "2_SparseAutoEncoder/model.safetensors"
    weights = load_file(place)
    weights["latent_bias"][3] = np.inf
    save_file(weights, place)


def _encoded(name: str, *kinds: str, **settings: Any) -> Case:
    """A dense model whose vectors a SparseAutoEncoder makes sparse."""
    kinds = kinds or ("Pooling", "SparseAutoEncoder")
    files = {_MODEL: {**_SPARSE, **settings.pop("model", {})}, **settings.pop("files", {})}
    return Case(f"auto-encoder: {name}", modules=kinds, files=files, **settings)


_FILE = "2_SparseAutoEncoder/config.json"

AUTO_ENCODERS = (
    _encoded("bert"),
    _encoded("standardized", auto_encoder={"normalize": True}),
    _encoded("after a dense layer", "Pooling", "Dense", "Normalize", "SparseAutoEncoder"),
    _encoded("more values than usual", model={"max_active_dims": 20}),
    _encoded("fewer values than usual", model={"max_active_dims": 3}),
    _encoded("prompt", model={"prompts": {"query": "the word: "}, "default_prompt_name": "query"}),
    _encoded("before a step", "Pooling", "SparseAutoEncoder", "Normalize", refused=True),
    _encoded("an unknown key", files={_FILE: {"temperature": 2}}, refused=True),
    _encoded("of another size", files={_FILE: {"hidden_dim": 63}}, refused=True),
    _encoded("of other vectors", files={_FILE: {"input_dim": 16}}, refused=True),
    _encoded("more values than there are", files={_FILE: {"k": 65}}, refused=True),
    _encoded("not finite", refused=True, change=_not_finite),
    _encoded("as a dense model", model={"model_type": "SentenceTransformer"}, refused=True),
)

SPARSE_ENCODERS = (
    *AUTO_ENCODERS,
    *(
        _sparse(kind, kind)
        for kind in ("bert", "distilbert", "roberta", "xlm-roberta", "modernbert", "albert", "mpnet")
    ),
    _sparse("sum", splade={"pooling_strategy": "sum"}),
    _sparse("two logarithms", splade={"activation_function": "log1p_relu"}),
    _sparse("sum, two logarithms", splade={"pooling_strategy": "sum", "activation_function": "log1p_relu"}),
    _sparse("modality", files={_BERT: {"modality_config": _LOGITS, "module_output_name": "token_embeddings"}}),
    _sparse("the largest values", files={_MODEL: {"max_active_dims": 20}}),
    _sparse("prompt", files={_MODEL: {"prompts": {"query": "the word: "}, "default_prompt_name": "query"}}),
    _sparse("of the base model", files={_BERT: {"transformer_task": "feature-extraction"}}, refused=True),
    _sparse("pooled in another way", splade={"pooling_strategy": "mean"}, refused=True),
    _sparse("an unknown activation", splade={"activation_function": "gelu"}, refused=True),
    _sparse("leading values", files={_MODEL: {"truncate_dim": 8}}, refused=True),
    _sparse("as a dense model", files={_MODEL: {"model_type": "SentenceTransformer"}}, refused=True),
)
