"""One task's model: Panope over gRPC against the raw engine's loop, in one run, interleaved.

The raw loop is what a program of one's own does: it makes the model's inputs, runs batches of up to 8 on the same
engine with the same files, and makes answers of what comes out, by the task's own code with nothing around it. Every
round runs every way once, and ratios are taken within a round. CPU is that of the loop's process, or of the server with
all that it started; the client's is counted for neither. Where others use the machine it tells more than the clock.
Memory is what the loop's process, or the worker, holds after its last round.
"""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.support.commands import import_model
from benchmarks.support.served import Served
from benchmarks.support.turns import COLUMNS, Turns, Way, cells, in_turns
from panope.worker.v1 import worker_pb2
from panope_backends.tasks.task import ArrayJob, ArrayTask, DeviceJob, SequenceJob, SequenceTask
from panope_backends.worker.loading import load_model
from panope_client import Client
from panope_server.tasks.task import Task

# Before any engine is imported, which reads it once: threads sleep while they wait, as in Panope's workers.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

BATCH, WIDTH = 8, 4
FLIGHT = 16
"""Calls of one item that run at a time."""

RAW = f"raw loop, batches of {BATCH}"


@dataclass(frozen=True)
class Case:
    """A task, and how it is measured.

    Attributes:
        write: the model's files into a folder; tells what the model is.
        call: asks a client about some items.
        task: of the server.
        input: the task's, of some items.
        items: so many of them.
        most: items of a call.
        backend: that runs the model.
        kind: the format that it runs.
    """

    write: Callable[[Path], str]
    call: Callable[[Client, Sequence[Any], str], object]
    task: Task[Any, Any]
    input: Callable[[Sequence[Any]], Any]
    items: Callable[[int], Sequence[Any]]
    most: int = BATCH
    backend: str = "openvino"
    kind: str = "openvino"


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
            media_limits=worker_pb2.MediaLimits(
                max_image_bytes=1 << 24,
                max_image_pixels=1 << 24,
                max_video_bytes=1 << 24,
                max_video_pixels=1 << 24,
                max_video_frames=1000,
            ),
        )
        self._case = case
        self._loaded = load_model(load)

    def run(self, items: Sequence[Any]) -> None:
        """All items, so many in a request as a call has."""
        task = self._case.task
        for start in range(0, len(items), self._case.most):
            asked = self._case.input(items[start : start + self._case.most])
            job = self._loaded.requests[task.name](task.encode(asked))
            for part in self._answer(job):
                task.decode(part)

    def _answer(self, job: Any) -> Iterator[bytes]:
        if isinstance(job, DeviceJob):
            yield from _steps(job)
        elif isinstance(job, SequenceJob):
            assert self._loaded.sequences is not None
            yield job.answer(_rows(job, self._loaded.sequences))
        else:
            assert isinstance(job, ArrayJob)
            assert self._loaded.arrays is not None
            yield job.answer(_rounds(job, self._loaded.arrays, alone=self._loaded.arrays_alone))


def _steps(job: DeviceJob) -> Iterator[bytes]:
    """The parts that a request's steps give, one step after the other."""
    is_last = False
    while not is_last:
        part, is_last = job.step()
        if part:
            yield part
    job.close()


def _rows(job: SequenceJob, sequences: SequenceTask) -> Any:
    """What the model gives for each text, in batches of texts of like lengths."""
    order = sorted(range(len(job.sequences)), key=lambda at: len(job.sequences[at].ids))
    width = sequences.row_width  # 0 where rows are of several lengths
    rows = np.empty((len(order), width), np.float32) if width else np.empty(len(order), object)
    for begin in range(0, len(order), BATCH):
        places = order[begin : begin + BATCH]
        rows[places] = sequences.run([job.sequences[at] for at in places])
    return rows


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


def over_grpc(case: Case, client: Client, items: Sequence[Any], model: str, size: int, width: int) -> None:
    """Calls of so many items, so many at a time."""
    calls = [items[start : start + size] for start in range(0, len(items), size)]
    with ThreadPoolExecutor(width) as pool:
        list(pool.map(lambda call: case.call(client, call, model), calls))


def measure(case: Case, server: Served, raw: RawLoop, items: Sequence[Any], model: str, rounds: int) -> Turns:
    """The loop, and calls of several sizes."""
    own, served = psutil.Process(), psutil.Process(server.process.pid)
    with Client(server.grpc_address, timeout=1200) as client:

        def calls(size: int, width: int) -> Way:
            return Way(lambda: over_grpc(case, client, items, model, size, width), served)

        ways = {
            RAW: Way(lambda: raw.run(items), own),
            f"gRPC, {case.most} a call, {WIDTH} in flight": calls(case.most, WIDTH),
            f"gRPC, one a call, {FLIGHT} in flight": calls(1, FLIGHT),
            "gRPC, one a call, alone": calls(1, 1),
        }
        return in_turns(ways, rounds, len(items))


def run(name: str, case: Case, count: int, rounds: int, console: Console) -> None:
    """Measures one task, in a server of its own, and prints it."""
    model = f"bench/{name}"
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
            found = measure(case, server, raw, case.items(count), model, rounds)
            worker = max(each.memory_info().rss for each in psutil.Process(server.process.pid).children(recursive=True))
            console.print(_table(f"{name}: {told}, {case.backend}", found))
            loop = psutil.Process().memory_info().rss - before
            console.print(f"memory: the worker {worker >> 20:,} MiB; the loop {loop >> 20:,} MiB beside its imports\n")


def _table(title: str, found: Turns) -> Table:
    table = Table("case", *COLUMNS, title=title)
    for name, turns in found.items():
        table.add_row(name, *cells(turns, found[RAW]))
    return table
