"""Tiny seeded models that give something for each pixel of an image, other than labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from panope_backends.testing.vision.parts import IMAGENET, SIDE, saved


def _dpt(folder: Path) -> dict[str, Any]:
    from transformers import DPTConfig

    sizes = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 64}
    necks = {"neck_hidden_sizes": [8, 16, 24, 32], "fusion_hidden_size": 16, "backbone_out_indices": [0, 1, 2, 3]}
    config = DPTConfig(image_size=64, patch_size=16, is_hybrid=False, **sizes, **necks)
    saved(folder, config, "DPTForDepthEstimation")
    size = {"height": 64, "width": 64}
    return {"image_processor_type": "DPTImageProcessor", "size": size, "do_normalize": True, **IMAGENET}


def _depth_anything(folder: Path, kind: str) -> dict[str, Any]:
    from transformers import DepthAnythingConfig, Dinov2Config

    sizes = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4}
    stages = {"out_features": ["stage1", "stage2", "stage3", "stage4"], "reshape_hidden_states": False}
    config = DepthAnythingConfig(
        backbone_config=Dinov2Config(image_size=70, patch_size=14, **sizes, **stages),
        reassemble_hidden_size=32,
        neck_hidden_sizes=[8, 16, 24, 32],
        fusion_hidden_size=16,
        head_hidden_size=8,
        depth_estimation_type=kind,
        max_depth=20 if kind == "metric" else 1,
    )
    saved(folder, config, "DepthAnythingForDepthEstimation")
    size = {"height": 70, "width": 70}
    given = {"size": size, "keep_aspect_ratio": True, "ensure_multiple_of": 14, "do_normalize": True}
    return {"image_processor_type": "DPTImageProcessor", **given, **IMAGENET}


def _glpn(folder: Path) -> dict[str, Any]:
    from transformers import GLPNConfig

    sizes = {"num_encoder_blocks": 4, "depths": [1, 1, 1, 1], "hidden_sizes": [8, 16, 24, 32]}
    heads = {"num_attention_heads": [1, 2, 2, 4], "sr_ratios": [4, 2, 2, 1], "decoder_hidden_size": 16}
    saved(folder, GLPNConfig(**sizes, **heads), "GLPNForDepthEstimation")
    return {"image_processor_type": "GLPNImageProcessor", "size_divisor": 32}


def _zoedepth(folder: Path) -> dict[str, Any]:
    from transformers import BeitConfig, ZoeDepthConfig

    sizes = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 64}
    stages = {"out_features": ["stage1", "stage2", "stage3", "stage4"], "reshape_hidden_states": False}
    positions = {"use_relative_position_bias": True, "use_absolute_position_embeddings": False}
    config = ZoeDepthConfig(
        backbone_config=BeitConfig(image_size=64, patch_size=16, **sizes, **stages, **positions),
        neck_hidden_sizes=[8, 16, 24, 32],
        fusion_hidden_size=16,
        bottleneck_features=16,
        bin_embedding_dim=8,
        num_relative_features=8,
        num_attractors=[4, 2, 1, 1],
    )
    saved(folder, config, "ZoeDepthForDepthEstimation")
    size = {"height": 64, "width": 64}
    return {"image_processor_type": "ZoeDepthImageProcessor", "size": size, "ensure_multiple_of": 32}


def _swin2sr(folder: Path, scale: int, upsampler: str) -> dict[str, Any]:
    from transformers import Swin2SRConfig

    sizes = {"embed_dim": 16, "depths": [1, 1], "num_heads": [2, 2], "window_size": 8, "image_size": SIDE}
    saved(folder, Swin2SRConfig(upscale=scale, upsampler=upsampler, **sizes), "Swin2SRForImageSuperResolution")
    return {"image_processor_type": "Swin2SRImageProcessor"}


def _vitpose(folder: Path, experts: int) -> dict[str, Any]:
    from transformers import VitPoseBackboneConfig, VitPoseConfig

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "mlp_ratio": 2}
    places = {"image_size": [64, 48], "patch_size": [16, 16], "out_features": ["stage2"]}
    parts = {"num_experts": experts, "part_features": 8 if experts > 1 else 0}
    names = dict(enumerate(("nose", "left eye", "right eye")))
    backbone = VitPoseBackboneConfig(**sizes, **places, **parts)
    config = VitPoseConfig(backbone_config=backbone, id2label=names, use_simple_decoder=experts < 2)
    config.label2id = {name: index for index, name in names.items()}
    saved(folder, config, "VitPoseForPoseEstimation")
    return {"image_processor_type": "VitPoseImageProcessor", "size": {"height": 64, "width": 48}}


#: As `VISION_KINDS`.
PIXEL_KINDS: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    "dpt": _dpt,
    "depth_anything": partial(_depth_anything, kind="relative"),
    "depth_anything_metric": partial(_depth_anything, kind="metric"),
    "glpn": _glpn,
    "zoedepth": _zoedepth,
    "vitpose": partial(_vitpose, experts=1),
    "vitpose_plus": partial(_vitpose, experts=2),
    "swin2sr": partial(_swin2sr, scale=2, upsampler="pixelshuffle"),
    "swin2sr_direct": partial(_swin2sr, scale=4, upsampler="pixelshuffledirect"),
    "swin2sr_real": partial(_swin2sr, scale=4, upsampler="nearest+conv"),
    "swin2sr_aux": partial(_swin2sr, scale=4, upsampler="pixelshuffle_aux"),
    "swin2sr_same": partial(_swin2sr, scale=1, upsampler=""),
}
