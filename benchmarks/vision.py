"""Models of images: Panope against the raw engine loop, in one run, interleaved.

    python benchmarks/vision.py [--rounds 5] [--images 64] [--backend openvino]

A seeded ViT-small of 224 × 224 pixels classifies images of 640 × 480 in JPEG. The raw loop is what a program of one's
own does: it decodes with Pillow, scales with the model's processor of transformers, and runs batches of 8 on the same
engine with the same files. Every round runs every case once, and ratios are taken within a round. CPU seconds are those
of the process of the loop, or of the server with all that it started; the client's are counted for neither.
"""

from __future__ import annotations

import argparse
import io
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
from PIL import Image
from rich.console import Console
from rich.table import Table

from panope.worker.v1 import classify_pb2, media_pb2, worker_pb2
from panope_backends.testing.vision_models import LABELS
from panope_backends.worker.loading import load_model
from panope_client import Client
from served import Served

MODEL = "bench/vit-small"
BATCH = 8
WIDTH = 4

console = Console(stderr=True)


def write_model(folder: Path) -> None:
    """A ViT-small with random weights, and its processor."""
    import torch
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    torch.manual_seed(0)
    sizes = {"hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 6, "intermediate_size": 1536}
    labels = dict(enumerate(LABELS))
    ViTForImageClassification(ViTConfig(**sizes, image_size=224, patch_size=16, id2label=labels)).save_pretrained(
        folder
    )
    ViTImageProcessor().save_pretrained(folder)


def photographs(count: int) -> list[bytes]:
    """Seeded images with smooth colours, as JPEG files."""
    made = []
    for seed in range(count):
        small = Image.fromarray(np.random.default_rng(seed).integers(0, 255, (12, 16, 3), np.uint8))
        file = io.BytesIO()
        small.resize((640, 480), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
        made.append(file.getvalue())
    return made


class RawLoop:
    """Decodes, scales and runs batches one after another, by the engine and the task's own code in this process.

    Args:
        folder: of the variant that the server runs.
        backend: that it runs it on.
        kind: the variant's format.
    """

    def __init__(self, folder: Path, backend: str, kind: str) -> None:
        load = worker_pb2.Load(
            model=MODEL,
            task="classify",
            format=kind,
            backend=backend,
            device="CPU",
            folder=str(folder),
            precision="fp32",
            max_batch_tokens=1 << 14,
            media_limits=worker_pb2.MediaLimits(max_image_bytes=1 << 24, max_image_pixels=1 << 24),
        )
        self._model = load_model(load)

    def run(self, images: Sequence[bytes]) -> None:
        """Classifies them all."""
        arrays = self._model.arrays
        assert arrays is not None
        for start in range(0, len(images), BATCH):
            message = classify_pb2.ClassifyImagesInput(
                images=[media_pb2.Image(content=each) for each in images[start : start + BATCH]]
            )
            job = self._model.requests["classify-images"](message.SerializeToString())
            job.answer(arrays.run(job.items))  # type: ignore[union-attr]


def cpu_seconds(process: psutil.Process) -> float:
    """Of a process and of everything that it started."""
    return sum(sum(each.cpu_times()[:2]) for each in [process, *process.children(recursive=True)])


def timed(work: Callable[[], object], process: psutil.Process) -> tuple[float, float]:
    """Seconds, and CPU seconds of a process and what it started."""
    before, began = cpu_seconds(process), time.perf_counter()
    work()
    return time.perf_counter() - began, cpu_seconds(process) - before


def over_grpc(client: Client, images: Sequence[bytes], size: int, width: int) -> None:
    """Calls of so many images, so many at a time."""
    calls = [images[start : start + size] for start in range(0, len(images), size)]
    with ThreadPoolExecutor(width) as pool:
        list(pool.map(lambda call: client.classify_images(call, MODEL), calls))


def measure(server: Served, raw: RawLoop, images: Sequence[bytes], rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Images a second and CPU seconds of all, by case, after a round that only warms up."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    own, served = psutil.Process(), psutil.Process(server.process.pid)
    with Client(server.grpc_address, timeout=600) as client:
        cases: dict[str, tuple[Callable[[], object], psutil.Process]] = {
            f"raw loop, batch {BATCH}": (lambda: raw.run(images), own),
            f"gRPC, {BATCH} images a call, {WIDTH} in flight": (
                lambda: over_grpc(client, images, BATCH, WIDTH),
                served,
            ),
            "gRPC, one image a call, 16 in flight": (lambda: over_grpc(client, images, 1, 16), served),
            "gRPC, one image a call, alone": (lambda: over_grpc(client, images, 1, 1), served),
        }
        for number in range(rounds + 1):
            for name, (work, process) in cases.items():
                seconds, cpu = timed(work, process)
                if number:
                    found[name].append((len(images) / seconds, cpu))
    return found


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--backend", default="openvino")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder, home = Path(place) / "model", Path(place) / "home"
        write_model(folder)
        command = [sys.executable, "-m", "panope_server", "import", str(folder), "--name", MODEL, "--home", str(home)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        with Served(home, "--set", "log_requests=false", demo=False) as server:
            with Client(server.grpc_address, timeout=600) as client:
                client.load(MODEL, backend=options.backend, precision="fp32")
            instance = server.model(MODEL)["instances"][0]
            digest = instance["variant_digest"].removeprefix("sha256:")
            variant = next(path for path in (home / "store" / "checkouts").rglob(f"*{digest}*") if path.is_dir())
            kind = "openvino" if options.backend == "openvino" else "safetensors"
            raw = RawLoop(variant, options.backend, kind)
            found = measure(server, raw, photographs(options.images), options.rounds)
    _print(found, options.images)


def _print(found: dict[str, list[tuple[float, float]]], images: int) -> None:
    first = next(iter(found.values()))
    table = Table("case", "images/s", "of raw", "CPU ms an image")
    for name, rounds in found.items():
        ratio = statistics.median(rate / raw for (rate, _), (raw, _) in zip(rounds, first, strict=True))
        rate, cpu = (statistics.median(values) for values in zip(*rounds, strict=True))
        table.add_row(name, f"{rate:.1f}", f"{ratio:.2f}", f"{cpu / images * 1000:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
