"""A case for each form in which tables of token vectors come, as sentence-transformers and model2vec write them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from zoo_models.case import VOCABULARY, WIDTH, Case
from zoo_models.tokenizers import MAKERS

_TYPE = "sentence_transformers.models."
_MODEL = "config_sentence_transformers.json"
_VECTORS = np.random.default_rng(3).standard_normal((VOCABULARY, WIDTH), dtype=np.float32)
_SHARED = {
    "embeddings": _VECTORS[:50],
    "mapping": np.random.default_rng(4).integers(0, 50, VOCABULARY, dtype=np.int64),
    "weights": np.linspace(0.1, 2, VOCABULARY, dtype=np.float32),
}


@dataclass(frozen=True)
class StaticCase(Case):
    """One folder.

    Attributes:
        place: of the table, within the folder.
        tensors: of the table.
        cut: the tokens that tokenizer.json cuts texts to; 0 for any.
        kinds: of the modules after it.
    """

    place: str = ""
    tensors: Mapping[str, Any] = field(default_factory=lambda: {"embedding.weight": _VECTORS})
    cut: int = 0
    kinds: tuple[str, ...] = ("Normalize",)

    def write(self, folder: Path) -> None:
        """Makes the folder."""
        table = folder / self.place
        table.mkdir(exist_ok=True)
        MAKERS[self.tokenizer](table, **self.tokenizer_settings)
        (table / "tokenizer_config.json").unlink()
        if self.cut:
            tokenizer = Tokenizer.from_file(str(table / "tokenizer.json"))
            tokenizer.enable_truncation(self.cut)
            tokenizer.save(str(table / "tokenizer.json"))
        save_file(dict(self.tensors), table / "model.safetensors")
        later = [(kind, f"{n}_{kind}") for n, kind in enumerate(self.kinds, 1)]
        modules = [
            {"idx": n, "name": str(n), "path": path, "type": _TYPE + kind}
            for n, (kind, path) in enumerate([("StaticEmbedding", self.place or "."), *later])
        ]
        (folder / "modules.json").write_text(json.dumps(modules))
        for name, content in self.files.items():
            (folder / name).write_text(json.dumps(content))


def _static(name: str, **settings: Any) -> StaticCase:
    return StaticCase(f"static: {name}", **settings)


def _without(**changes: Any) -> dict[str, Any]:
    return {name: tensor for name, tensor in {**_SHARED, **changes}.items() if tensor is not None}


STATIC_TABLES = (
    _static("in a folder of its own", place="0_StaticEmbedding"),
    _static("model2vec", tensors={"embeddings": _VECTORS}, files={
        "config.json": {"model_type": "model2vec", "architectures": ["StaticModel"], "normalize": True}}),
    _static("shared rows, weighed", tensors=_SHARED),
    _static("half precision", kinds=(), tensors={"embedding.weight": (np.round(_VECTORS * 8) / 8).astype(np.float16)}),
    _static("not normalised", kinds=()),
    _static("byte-level", tokenizer="byte-level"),
    _static("unigram", tokenizer="unigram"),
    _static("llama", tokenizer="llama"),
    _static("cut by its tokenizer", tokenizer="words"),
    _static("cut at the end", cut=6),
    _static("prompt, dimensions", kinds=(), files={_MODEL: {
        "prompts": {"query": "the word: "}, "default_prompt_name": "query", "truncate_dim": 8}}),
    _static("before a pooling", kinds=("Pooling",), refused=True),
    _static("no table", tensors={"weight": _VECTORS}, refused=True),
    _static("of whole numbers", tensors={"embeddings": np.ones((VOCABULARY, 4), np.int8)}, refused=True),
    _static("not finite", tensors={"embeddings": np.full((VOCABULARY, 4), np.inf, np.float32)}, refused=True),
    _static("rows that are not there", tensors=_without(mapping=np.full(VOCABULARY, 50)), refused=True),
    _static("weights of other tokens", tensors=_without(weights=np.ones(3, np.float32)), refused=True),
)  # fmt: skip
