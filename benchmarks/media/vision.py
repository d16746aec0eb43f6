"""Models of images, a task after the other: Panope over gRPC against the raw engine's loop, in one run, interleaved.

    python -m benchmarks.media.vision [TASK …] [--rounds 5] [--images 32]

Each task has one model: trained weights that lie in packages where there are some (a layout detector, U²-Net, PP-OCR,
Real-ESRGAN; fetched once), else seeded ones of a usual size (ViT-small, DPT-hybrid's decoder on a small ViT). The raw
loop is what a program of one's own does: it decodes images, makes the model's inputs, runs batches of up to 8 on the
same engine with the same files, and makes answers of what comes out, by the task's own code with nothing around it.
Every round runs every case once, and ratios are taken within a round. CPU is that of the loop's process, or of the
server with all that it started; the client's is counted for neither. Where others use the machine it tells more than
the clock. Memory is what the loop's process, or the worker, holds after its last round.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.media.images import pages, photographs
from benchmarks.media.vision_models import (
    write_dpt,
    write_layout,
    write_reader,
    write_salient,
    write_upscaler,
    write_vit,
)
from benchmarks.support.commands import import_model
from benchmarks.support.served import Served
from benchmarks.support.turns import COLUMNS, Turns, Way, cells, in_turns
from panope.worker.v1 import worker_pb2
from panope_backends.tasks.task import ArrayJob, ArrayTask
from panope_backends.worker.loading import load_model
from panope_client import Client
from panope_server.tasks.task import Task
from panope_server.tasks.vision.classify_images import ClassifyImagesInput, ClassifyImagesTask
from panope_server.tasks.vision.depth import DepthInput, DepthTask
from panope_server.tasks.vision.detect import DetectInput, DetectTask
from panope_server.tasks.vision.images import Image as SentImage
from panope_server.tasks.vision.ocr import OcrInput, OcrTask
from panope_server.tasks.vision.segment import SegmentInput, SegmentTask
from panope_server.tasks.vision.super_resolution import SuperResolutionInput, SuperResolutionTask

BATCH, WIDTH = 8, 4
FLIGHT = 16
"""Calls of one image that run at a time."""

RAW = f"raw loop, batches of {BATCH}"


@dataclass(frozen=True)
class Case:
    """A task, and how it is measured.

    Attributes:
        write: the model's files into a folder; tells what the model is.
        call: asks a client about some images.
        task: of the server, and the type of its input.
        images: so many of them.
        most: images of a call.
        backend: that runs the model.
        kind: the format that it runs.
    """

    write: Callable[[Path], str]
    call: Callable[[Client, Sequence[bytes], str], object]
    task: tuple[Task[Any, Any], type[Any]]
    images: Callable[[int], list[bytes]]
    most: int = BATCH
    backend: str = "cpu"
    kind: str = "onnx"


CASES = {
    "classify": Case(
        write_vit,
        lambda client, images, model: client.classify_images(images, model),
        (ClassifyImagesTask(), ClassifyImagesInput),
        photographs,
        backend="openvino",
        kind="openvino",
    ),
    "detect": Case(
        write_layout,
        lambda client, images, model: client.detect(images, model),
        (DetectTask(), DetectInput),
        photographs,
    ),
    "segment": Case(
        write_salient,
        lambda client, images, model: client.segment(images, model),
        (SegmentTask(), SegmentInput),
        photographs,
    ),
    "depth": Case(
        write_dpt,
        lambda client, images, model: client.estimate_depth(images, model),
        (DepthTask(), DepthInput),
        photographs,
        backend="openvino",
        kind="openvino",
    ),
    "ocr": Case(
        write_reader,
        lambda client, images, model: client.recognize(images, model),
        (OcrTask(), OcrInput),
        pages,
    ),
    "superres": Case(
        write_upscaler,
        lambda client, images, model: client.upscale(images, model),
        (SuperResolutionTask(), SuperResolutionInput),
        lambda count: photographs(max(1, count // 4), (160, 120)),
        most=4,
    ),
}


class RawLoop:
    """Makes inputs, runs batches and makes answers one after another, by the task's own code in this process.

    Args:
        case: what is run.
        model: its name in the server.
        task: as the registry calls it.
        folder: of the variant that the server runs.
    """

    def __init__(self, case: Case, model: str, task: str, folder: Path) -> None:
        load = worker_pb2.Load(
            model=model,
            task=task,
            format=case.kind,
            backend=case.backend,
            device="CPU",
            folder=str(folder),
            precision="fp32",
            max_batch_tokens=1 << 14,
            media_limits=worker_pb2.MediaLimits(max_image_bytes=1 << 24, max_image_pixels=1 << 24),
        )
        self._case = case
        self._loaded = load_model(load)

    def run(self, images: Sequence[bytes]) -> None:
        """All images, so many in a request as a call has."""
        task, kind = self._case.task
        for start in range(0, len(images), self._case.most):
            task_input = kind([SentImage(content=each) for each in images[start : start + self._case.most]])
            job = self._loaded.requests[task.name](task.encode(task_input))
            assert isinstance(job, ArrayJob)
            assert self._loaded.arrays is not None
            task.decode(job.answer(_rounds(job, self._loaded.arrays, alone=self._loaded.arrays_alone)))


def _rounds(job: ArrayJob, arrays: ArrayTask, *, alone: bool) -> list[Any]:
    """What the model gives in the last round, each round's items of one shape in batches."""
    items: Sequence[Any] = job.items
    rows: list[Any] = []
    while items:
        shapes: dict[Any, list[int]] = defaultdict(list)
        for at, item in enumerate(items):
            shapes[item.shape].append(at)
        rows = [{}] * len(items)
        size = 1 if alone else BATCH
        for places in shapes.values():
            for begin in range(0, len(places), size):
                some = places[begin : begin + size]
                for at, row in zip(some, arrays.run([items[at] for at in some]), strict=True):
                    rows[at] = row
        items = job.next_items(rows)
    return rows


def over_grpc(case: Case, client: Client, images: Sequence[bytes], model: str, size: int, width: int) -> None:
    """Calls of so many images, so many at a time."""
    calls = [images[start : start + size] for start in range(0, len(images), size)]
    with ThreadPoolExecutor(width) as pool:
        list(pool.map(lambda call: case.call(client, call, model), calls))


def measure(case: Case, server: Served, raw: RawLoop, images: Sequence[bytes], model: str, rounds: int) -> Turns:
    """The loop, and calls of several sizes."""
    own, served = psutil.Process(), psutil.Process(server.process.pid)
    with Client(server.grpc_address, timeout=1200) as client:

        def calls(size: int, width: int) -> Way:
            return Way(lambda: over_grpc(case, client, images, model, size, width), served)

        ways = {
            RAW: Way(lambda: raw.run(images), own),
            f"gRPC, {case.most} images a call, {WIDTH} in flight": calls(case.most, WIDTH),
            f"gRPC, one image a call, {FLIGHT} in flight": calls(1, FLIGHT),
            "gRPC, one image a call, alone": calls(1, 1),
        }
        return in_turns(ways, rounds, len(images))


def run(name: str, count: int, rounds: int, console: Console) -> None:
    """Measures one task, in a server of its own, and prints it."""
    case, model = CASES[name], f"bench/{name}"
    with tempfile.TemporaryDirectory() as place:
        folder, home = Path(place) / "model", Path(place) / "home"
        told = case.write(folder)
        import_model(home, model, folder)
        with Served(home, "--set", "log_requests=false", demo=False) as server:
            with Client(server.grpc_address, timeout=1200) as client:
                client.load(model, backend=case.backend, precision="fp32")
            facts = server.model(model)
            digest = facts["instances"][0]["variant_digest"].removeprefix("sha256:")
            variant = next(path for path in (home / "store" / "checkouts").rglob(f"*{digest}*") if path.is_dir())
            before = psutil.Process().memory_info().rss
            raw = RawLoop(case, model, facts["task"], variant)
            found = measure(case, server, raw, case.images(count), model, rounds)
            worker = max(each.memory_info().rss for each in psutil.Process(server.process.pid).children(recursive=True))
            console.print(_table(f"{name}: {told}, {case.backend}", found))
            loop = psutil.Process().memory_info().rss - before
            console.print(f"memory: the worker {worker >> 20:,} MiB; the loop {loop >> 20:,} MiB beside its imports\n")


def _table(title: str, found: Turns) -> Table:
    table = Table("case", *COLUMNS, title=title)
    for name, turns in found.items():
        table.add_row(name, *cells(turns, found[RAW]))
    return table


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", choices=[*CASES, []], default=[])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=32)
    options = parser.parse_args()
    for name in options.tasks or CASES:
        run(name, options.images, options.rounds, Console(width=110))


if __name__ == "__main__":
    main()
