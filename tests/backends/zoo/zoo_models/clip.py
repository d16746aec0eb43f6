"""A case for each layout of a model of images and texts, and for what its files may ask for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from zoo_models.case import SIZES, VOCABULARY, WIDTH, Case

_FILE = "sentence_bert_config.json"
_FOLDER = "0_CLIPModel"

_TOWER = {"hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
#: CLIP's own length, and `eos_token_id` other than 2, which transformers takes for the highest id of a text.
_TEXT = {"vocab_size": VOCABULARY, "max_position_embeddings": 77, "bos_token_id": 2, "eos_token_id": 3}
_CONFIG: dict[str, Any] = {
    **dict.fromkeys(SIZES),
    "text_config": {**_TOWER, **_TEXT, "pad_token_id": 0},
    "vision_config": {**_TOWER, "image_size": 32, "patch_size": 8},
    "projection_dim": WIDTH,
    "architectures": ["CLIPModel"],
}
_IMAGES = {
    "image_processor_type": "CLIPImageProcessor",
    "size": {"shortest_edge": 32},
    "crop_size": {"height": 32, "width": 32},
}
_METHODS = {
    kind: {"method": f"get_{kind}_features", "method_output_name": "pooler_output"} for kind in ("text", "image")
}
_FORWARD = {"method": "forward", "method_output_name": "pooler_output"}
_NEWER = {"max_seq_length": None, "modality_config": _METHODS, "module_output_name": "sentence_embedding"}


def _older(folder: Path) -> None:
    """As clip-ViT-B-32 was published: the model in a folder of its own, and nothing that says how it is run."""
    (folder / _FOLDER).mkdir()
    for name in (
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "preprocessor_config.json",
    ):
        (folder / name).rename(folder / _FOLDER / name)
    (folder / _FILE).unlink()
    first, *rest = json.loads((folder / "modules.json").read_text())
    first |= {"path": _FOLDER, "type": "sentence_transformers.models.CLIPModel"}
    (folder / "modules.json").write_text(json.dumps([first, *rest]))


def _clip(name: str, *modules: str, file: dict[str, Any] | None = None, processor: str = "", **settings: Any) -> Case:
    files = {_FILE: _NEWER | (file or {}), "preprocessor_config.json": _IMAGES}
    lengths = {"model_max_length": 77, **({"processor_class": processor} if processor else {})}
    return Case(f"clip: {name}", "clip", _CONFIG, "wordpiece", lengths, modules, files=files, **settings)


CLIP_MODELS = (
    _clip("older folder", change=_older),
    _clip("older folder, normalised", "Normalize", change=_older),
    _clip("dense, normalised", "Dense", "Normalize", file={"processor_kwargs": {"model_max_length": 20}}),
    _clip("max_seq_length", file={"max_seq_length": 30}),
    _clip("its processor", processor="CLIPProcessor"),
    _clip("another processor", processor="SiglipProcessor", refused=True),
    _clip("pooled", "Pooling", refused=True),
    _clip("not told", file={"modality_config": None}, refused=True),
    _clip("another method", file={"modality_config": _METHODS | {"text": _FORWARD}}, refused=True),
    _clip("unknown of images", file={"processing_kwargs": {"image": {"do_resize": False}}}, refused=True),
    _clip("unknown of the processor", file={"processor_kwargs": {"do_resize": False}}, refused=True),
)
