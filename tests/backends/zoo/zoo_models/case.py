"""What one model of the zoo is made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from zoo_models.tokenizers import MAKERS

WIDTH = 32
VOCABULARY = 640

_TYPE = "sentence_transformers.models."
_SPARSE_TYPE = "sentence_transformers.sparse_encoder.models."

#: Sizes under the names that most configurations take; each type's own are in the case.
SIZES: Mapping[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 80,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "hidden_dropout_prob": 0.0,
    "initializer_range": 0.4,
}


@dataclass(frozen=True)
class Case:
    """One folder.

    Attributes:
        name: of the case, for the report.
        kind: transformers' `model_type`.
        sizes: what the configuration has besides `SIZES`, or instead; None leaves one out.
        tokenizer: of `MAKERS`.
        tokenizer_settings: for the maker, mostly tokenizer_config.json.
        modules: sentence-transformers' modules after Transformer; None for a plain model.
        pooling: the Pooling module's config.json.
        files: path to content: JSON, or text as it is; merged into what an object's file has.
        change: a last change to the finished folder.
        truncation: the side that texts are cut at, as the tokenizer says.
        load_class: transformers' class that the weights are saved by; the base class unless given.
        refused: whether Panope refuses it on every engine; else it is served at least by the cpu engine.
        grants: that an admin gives the model.
        splade: the SpladePooling module's config.json.
        remembers: whether the library's model answers by what it answered before, so that each text needs a fresh one.
        auto_encoder: what a SparseAutoEncoder module is made with besides its sizes.
        purposes: what texts are said to be for, each of which is compared; empty for nothing in particular.
    """

    name: str
    kind: str = "bert"
    sizes: Mapping[str, Any] = field(default_factory=dict)
    tokenizer: str = "wordpiece"
    tokenizer_settings: Mapping[str, Any] = field(default_factory=dict)
    modules: tuple[str, ...] | None = ("Pooling",)
    pooling: Mapping[str, Any] = field(default_factory=lambda: {"pooling_mode": "mean"})
    files: Mapping[str, Any] = field(default_factory=dict)
    change: Callable[[Path], None] | None = None
    truncation: str = "end"
    load_class: str = "AutoModel"
    refused: bool = False
    grants: tuple[str, ...] = ()
    splade: Mapping[str, Any] = field(default_factory=dict)
    remembers: bool = False
    purposes: tuple[str, ...] = ("",)
    auto_encoder: Mapping[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Makes the folder: seeded weights, tokenizer, sentence-transformers' files."""
        _write_weights(folder, self)
        MAKERS[self.tokenizer](folder, **self.tokenizer_settings)
        if self.modules is not None:
            _write_modules(folder, self)
        for name, content in self.files.items():
            _merge(folder / name, content)
        if self.change is not None:
            self.change(folder)


def _write_weights(folder: Path, case: Case) -> None:
    import torch
    import transformers

    sizes = {key: value for key, value in {**SIZES, **case.sizes}.items() if value is not None}
    transformers.utils.logging.disable_progress_bar()
    config = transformers.AutoConfig.for_model(case.kind, **sizes)
    torch.manual_seed(0)
    model = getattr(transformers, case.load_class).from_config(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # Random models of the library's own spread are close to constant; larger weights show more.
            if parameter.dim() > 1 and "norm" not in name.lower():
                parameter.mul_(1.0 + 0.1 * torch.rand_like(parameter))
    model.save_pretrained(folder)


def _write_modules(folder: Path, case: Case) -> None:
    entries: list[dict[str, Any]] = [{"idx": 0, "name": "0", "path": "", "type": f"{_TYPE}Transformer"}]
    for index, kind in enumerate(case.modules or (), start=1):
        path = f"{index}_{kind}"
        place = _SPARSE_TYPE if kind in ("SpladePooling", "SparseAutoEncoder") else _TYPE
        entries.append({"idx": index, "name": str(index), "path": path, "type": f"{place}{kind}"})
        (folder / path).mkdir(parents=True, exist_ok=True)
        _MODULES[kind](folder / path, case)
    _merge(folder / "modules.json", entries)
    _merge(folder / "sentence_bert_config.json", {"max_seq_length": 24, "do_lower_case": False})


def _pooling(folder: Path, case: Case) -> None:
    _merge(folder / "config.json", {"word_embedding_dimension": WIDTH, **case.pooling})


def _dense(folder: Path, case: Case) -> None:
    del case
    random = np.random.default_rng(1)
    _merge(folder / "config.json", {"in_features": WIDTH, "out_features": 12, "bias": True})
    weights = {"linear.weight": (12, WIDTH), "linear.bias": (12,)}
    save_file(
        {name: random.standard_normal(shape, dtype=np.float32) for name, shape in weights.items()},
        folder / "model.safetensors",
    )


def _layer_norm(folder: Path, case: Case) -> None:
    del case
    random = np.random.default_rng(2)
    _merge(folder / "config.json", {"dimension": WIDTH})
    names = ("norm.weight", "norm.bias")
    save_file({name: random.standard_normal(WIDTH, dtype=np.float32) for name in names}, folder / "model.safetensors")


def _layer_pooling(folder: Path, case: Case) -> None:
    del case
    _merge(folder / "config.json", {"embedding_dimension": WIDTH, "num_hidden_layers": 2, "layer_start": 1})
    save_file({"layer_weights": np.array([1, 3], np.float32)}, folder / "model.safetensors")


def _auto_encoder(folder: Path, case: Case) -> None:
    import torch
    from sentence_transformers.sparse_encoder.modules import SparseAutoEncoder

    width = 12 if case.modules and "Dense" in case.modules else WIDTH
    torch.manual_seed(7)
    module = SparseAutoEncoder(width, 64, k=10, k_aux=4, **case.auto_encoder)
    with torch.no_grad():
        module.pre_bias.normal_()
        module.latent_bias.normal_()
    module.save(str(folder))


def _nothing(folder: Path, case: Case) -> None:
    del folder, case


_MODULES: dict[str, Callable[[Path, Case], None]] = {
    "Pooling": _pooling,
    "Dense": _dense,
    "LayerNorm": _layer_norm,
    "Normalize": _nothing,
    "WeightedLayerPooling": _layer_pooling,
    "SparseAutoEncoder": _auto_encoder,
    "SpladePooling": lambda folder, case: _merge(folder / "config.json", dict(case.splade)),
    "Dropout": lambda folder, case: _merge(folder / "config.json", {"dropout": 0.1}),
}


def _merge(path: Path, content: Any) -> None:
    """Writes JSON, an object over what is there; text as it is; nothing for None, which takes the file away."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        path.unlink()
    elif isinstance(content, str):
        path.write_text(content)
    elif isinstance(content, dict) and path.exists():
        path.write_text(json.dumps(json.loads(path.read_text()) | content))
    else:
        path.write_text(json.dumps(content))
