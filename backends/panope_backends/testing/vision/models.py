"""Tiny seeded models of images, as their makers would publish them. Needs transformers and PyTorch."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from panope_backends.testing.models import word_tokenizer
from panope_backends.testing.vision.parts import IMAGENET, SIDE, label_config, saved
from panope_backends.testing.vision.pixel_models import PIXEL_KINDS

#: Of `word_tokenizer`.
_TEXT_ENDS = {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}


def tiny_vision_model(folder: Path, kind: str, *, seed: int = 0) -> None:
    """Writes a model with its processor.

    Args:
        folder: where to.
        kind: one of `VISION_KINDS`.
        seed: of its weights.
    """
    import torch

    torch.manual_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    processor = VISION_KINDS[kind](folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))


def _vit(folder: Path) -> dict[str, Any]:
    from transformers import ViTConfig

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    saved(folder, ViTConfig(image_size=SIDE, patch_size=8, **sizes, **label_config()), "ViTForImageClassification")
    return {"image_processor_type": "ViTImageProcessor", "size": {"height": SIDE, "width": SIDE}, "do_normalize": True}


def _swin(folder: Path) -> dict[str, Any]:
    from transformers import SwinConfig

    sizes = {"embed_dim": 16, "depths": [1, 1], "num_heads": [2, 4], "window_size": 4}
    saved(folder, SwinConfig(image_size=SIDE, patch_size=4, **sizes, **label_config()), "SwinForImageClassification")
    return {"image_processor_type": "ViTImageProcessor", "size": {"height": SIDE, "width": SIDE}, **IMAGENET}


def _convnext(folder: Path) -> dict[str, Any]:
    from transformers import ConvNextConfig

    sizes = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}
    saved(folder, ConvNextConfig(**sizes, **label_config()), "ConvNextForImageClassification")
    size = {"shortest_edge": 64}
    return {"image_processor_type": "ConvNextImageProcessor", "size": size, "crop_pct": 0.875, **IMAGENET}


def _dinov2(folder: Path) -> dict[str, Any]:
    from transformers import Dinov2Config

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    saved(folder, Dinov2Config(image_size=SIDE, patch_size=8, **sizes), "Dinov2Model")
    size, crop = {"shortest_edge": 40}, {"height": SIDE, "width": SIDE}
    return {"image_processor_type": "BitImageProcessor", "size": size, "crop_size": crop, **IMAGENET}


def _convnext_base(folder: Path) -> dict[str, Any]:
    from transformers import ConvNextConfig

    sizes = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}
    saved(folder, ConvNextConfig(**sizes), "ConvNextModel")
    return {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 64}, **IMAGENET}


def _clip(folder: Path) -> dict[str, Any]:
    from transformers import CLIPConfig

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    text = {**sizes, "vocab_size": word_tokenizer(folder, 40), "max_position_embeddings": 40, **_TEXT_ENDS}
    vision = {**sizes, "image_size": SIDE, "patch_size": 8}
    saved(folder, CLIPConfig(text_config=text, vision_config=vision, projection_dim=24), "CLIPModel")
    side = {"height": SIDE, "width": SIDE}
    return {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": SIDE}, "crop_size": side}


def _siglip(folder: Path) -> dict[str, Any]:
    from transformers import SiglipConfig

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    text = {**sizes, "vocab_size": word_tokenizer(folder, 64), "max_position_embeddings": 64, **_TEXT_ENDS}
    vision = {**sizes, "image_size": SIDE, "patch_size": 8}
    saved(folder, SiglipConfig(text_config=text, vision_config=vision), "SiglipModel")
    return {"image_processor_type": "SiglipImageProcessor", "size": {"height": SIDE, "width": SIDE}}


def _resnet() -> Any:
    from transformers import ResNetConfig

    sizes = {"embedding_size": 8, "hidden_sizes": [8, 12, 16, 24], "depths": [1, 1, 1, 1], "layer_type": "basic"}
    return ResNetConfig(**sizes, out_features=["stage2", "stage3", "stage4"])


def _detr(folder: Path) -> dict[str, Any]:
    from transformers import DetrConfig

    sizes = {"d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}
    heads = {"encoder_attention_heads": 4, "decoder_attention_heads": 4, "num_queries": 12}
    backbone = {"use_timm_backbone": False, "use_pretrained_backbone": False, "backbone_config": _resnet_last()}
    saved(folder, DetrConfig(**sizes, **heads, **backbone, **label_config()), "DetrForObjectDetection")
    size = {"shortest_edge": 64, "longest_edge": 128}
    return {"image_processor_type": "DetrImageProcessor", "format": "coco_detection", "size": size, **IMAGENET}


def _resnet_last() -> Any:
    config = _resnet()
    config.out_features = ["stage4"]
    return config


def _yolos(folder: Path) -> dict[str, Any]:
    from transformers import YolosConfig

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    tokens = {"image_size": [64, 96], "patch_size": 16, "num_detection_tokens": 10}
    saved(folder, YolosConfig(**sizes, **tokens, **label_config()), "YolosForObjectDetection")
    size = {"shortest_edge": 64, "longest_edge": 128}
    return {"image_processor_type": "YolosImageProcessor", "format": "coco_detection", "size": size, **IMAGENET}


def _rt_detr(folder: Path) -> dict[str, Any]:
    from transformers import RTDetrConfig, RTDetrResNetConfig

    backbone = RTDetrResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 12, 16, 24],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    sizes = {"encoder_hidden_dim": 32, "d_model": 32, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "num_queries": 20}
    layers = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 4, "decoder_attention_heads": 4}
    inputs = {"encoder_in_channels": [12, 16, 24], "decoder_in_channels": [32, 32, 32], "num_denoising": 0}
    config = RTDetrConfig(
        backbone_config=backbone, use_pretrained_backbone=False, **sizes, **layers, **inputs, **label_config()
    )
    saved(folder, config, "RTDetrForObjectDetection")
    size = {"height": 64, "width": 64}
    return {"image_processor_type": "RTDetrImageProcessor", "size": size, "do_normalize": False}


def _owl(folder: Path, kind: str) -> dict[str, Any]:
    import transformers

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    text = {**sizes, "vocab_size": word_tokenizer(folder, 16), "max_position_embeddings": 16, **_TEXT_ENDS}
    vision = {**sizes, "image_size": SIDE, "patch_size": 8}
    config = getattr(transformers, f"{kind}Config")(text_config=text, vision_config=vision, projection_dim=32)
    saved(folder, config, f"{kind}ForObjectDetection")
    side = {"height": SIDE, "width": SIDE}
    return {"image_processor_type": f"{kind}ImageProcessor", "size": side, "do_center_crop": False}


def _grounding_dino(folder: Path) -> dict[str, Any]:
    from transformers import BertConfig, GroundingDinoConfig, SwinConfig

    sizes = {"embed_dim": 16, "depths": [1, 1, 1, 1], "num_heads": [2, 2, 4, 4], "window_size": 4}
    backbone = SwinConfig(image_size=64, patch_size=4, **sizes, out_features=["stage2", "stage3", "stage4"])
    text = BertConfig(
        vocab_size=word_tokenizer(folder, 32),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=32,
    )
    config = GroundingDinoConfig(
        backbone_config=backbone,
        text_config=text,
        use_pretrained_backbone=False,
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        num_queries=12,
        max_text_len=32,
    )
    saved(folder, config, "GroundingDinoForObjectDetection")
    size = {"shortest_edge": 64, "longest_edge": 128}
    return {"image_processor_type": "GroundingDinoImageProcessor", "size": size, **IMAGENET}


def _segformer(folder: Path) -> dict[str, Any]:
    from transformers import SegformerConfig

    sizes = {"num_encoder_blocks": 4, "depths": [1, 1, 1, 1], "hidden_sizes": [8, 16, 24, 32]}
    heads = {"num_attention_heads": [1, 2, 2, 4], "sr_ratios": [4, 2, 2, 1], "decoder_hidden_size": 32}
    config = SegformerConfig(**sizes, **heads, **label_config())
    saved(folder, config, "SegformerForSemanticSegmentation")
    size = {"height": 64, "width": 64}
    return {"image_processor_type": "SegformerImageProcessor", "size": size, "do_reduce_labels": False, **IMAGENET}


def _tiny_swin() -> dict[str, Any]:
    sizes = {"image_size": 64, "embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2], "window_size": 4}
    return {**sizes, "out_features": ["stage1", "stage2", "stage3", "stage4"]}


def _mask2former(folder: Path) -> dict[str, Any]:
    from transformers import Mask2FormerConfig, SwinConfig

    sizes = {"feature_size": 32, "mask_feature_size": 32, "hidden_dim": 32, "encoder_feedforward_dim": 32}
    layers = {"encoder_layers": 1, "decoder_layers": 2, "num_attention_heads": 2, "dim_feedforward": 16}
    backbone = {"backbone_config": SwinConfig(**_tiny_swin())}
    config = Mask2FormerConfig(**backbone, **sizes, **layers, num_queries=10, **label_config())
    saved(folder, config, "Mask2FormerForUniversalSegmentation")
    size = {"shortest_edge": 64, "longest_edge": 128}
    return {"image_processor_type": "Mask2FormerImageProcessor", "size": size, "size_divisor": 32, **IMAGENET}


def _maskformer(folder: Path) -> dict[str, Any]:
    from transformers import DetrConfig, MaskFormerConfig, SwinConfig

    decoder = DetrConfig(
        d_model=32, decoder_layers=1, encoder_layers=1, decoder_ffn_dim=32, decoder_attention_heads=2, num_queries=10
    )
    config = MaskFormerConfig(
        backbone_config=SwinConfig(**_tiny_swin()),
        decoder_config=decoder,
        fpn_feature_size=32,
        mask_feature_size=32,
        **label_config(),
    )
    saved(folder, config, "MaskFormerForInstanceSegmentation")
    size = {"shortest_edge": 64, "longest_edge": 128}
    return {"image_processor_type": "MaskFormerImageProcessor", "size": size, "size_divisor": 32, **IMAGENET}


def _detr_panoptic(folder: Path) -> dict[str, Any]:
    from transformers import DetrConfig

    sizes = {"d_model": 128, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}
    heads = {"encoder_attention_heads": 8, "decoder_attention_heads": 8, "num_queries": 12}
    backbone = _resnet()
    backbone.out_features = ["stage1", "stage2", "stage3", "stage4"]
    config = DetrConfig(
        use_timm_backbone=False,
        use_pretrained_backbone=False,
        backbone_config=backbone,
        **sizes,
        **heads,
        **label_config(),
    )
    saved(folder, config, "DetrForSegmentation")
    size = {"shortest_edge": 64, "longest_edge": 128}
    return {"image_processor_type": "DetrImageProcessor", "format": "coco_panoptic", "size": size, **IMAGENET}


#: What writes a model and gives its preprocessor_config.json, by the name of its kind.
VISION_KINDS: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    "vit": _vit,
    "swin": _swin,
    "convnext": _convnext,
    "dinov2": _dinov2,
    "convnext_base": _convnext_base,
    "clip": _clip,
    "siglip": _siglip,
    "detr": _detr,
    "yolos": _yolos,
    "rt_detr": _rt_detr,
    "owlvit": partial(_owl, kind="OwlViT"),
    "owlv2": partial(_owl, kind="Owlv2"),
    "grounding_dino": _grounding_dino,
    "segformer": _segformer,
    "mask2former": _mask2former,
    "maskformer": _maskformer,
    "detr_panoptic": _detr_panoptic,
    **PIXEL_KINDS,
}
