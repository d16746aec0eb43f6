"""Arrays of one shape run together, whoever asked for them; those of others apart."""

import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from panope.worker.v1 import worker_pb2 as wire
from panope_backends.api import TensorModel, TensorSpec
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.tasks.stacked_arrays import StackedArrays, tokens_of
from panope_backends.tasks.task import ArrayItem, ArrayJob
from panope_backends.wire.frames import FrameDecoder
from panope_backends.worker.batch.batch_effects import arrays_move
from panope_backends.worker.batch.batching import Batcher
from panope_backends.worker.batch.executor import Executor
from panope_backends.worker.batch.pace import Pace
from panope_backends.worker.batch.queue import DeviceQueue
from panope_backends.worker.connection import Outbox
from panope_backends.worker.flow import Flow
from panope_backends.worker.requests import ArrayRequest, Item

Array = np.ndarray[Any, Any]


class Sums(TensorModel):
    """The sum of each image's pixels; `beside` adds so much of the other images' sums; fails over 1,000."""

    precision = "fp32"
    outputs = (TensorSpec("sum", "float32", (-1, 1)),)

    def __init__(self, batch: int = -1, beside: float = 0.0) -> None:
        self.inputs = [TensorSpec("pixels", "float32", (batch, 3, -1, -1))]
        self.batches: list[tuple[int, ...]] = []
        self._beside = beside

    def run(self, arrays: Mapping[str, Array], outputs: Sequence[str] = ()) -> dict[str, Array]:
        del outputs
        pixels = arrays["pixels"]
        self.batches.append(pixels.shape)
        sums = pixels.sum(axis=(1, 2, 3))
        if (sums > 1000).any():
            raise RuntimeError("too much")
        moved = self._beside * sums.sum() if self._beside else 0
        return {"sum": (sums + moved)[:, None]}

    def close(self) -> None:
        pass


def item(value: float, side: int = 2) -> ArrayItem:
    arrays = {"pixels": np.full((3, side, side), value, np.float32)}
    return ArrayItem(arrays, tokens_of(arrays))


def task_of(model: Sums) -> StackedArrays:
    return StackedArrays(model, ["sum"], lambda number: item(1 + number))


class SumsJob(ArrayJob):
    def __init__(self, *items: ArrayItem) -> None:
        self.items = items

    def answer(self, rows: Sequence[Mapping[str, Array]]) -> bytes:
        return ",".join(f"{row['sum'][0]:g}" for row in rows).encode()


class TwiceJob(SumsJob):
    """Sums its items, and then an item of each sum that is not 0; fails of a sum of 12."""

    def __init__(self, *items: ArrayItem) -> None:
        super().__init__(*items)
        self.rounds = 0

    def next_items(self, rows: Sequence[Mapping[str, Array]]) -> Sequence[ArrayItem]:
        self.rounds += 1
        sums = [float(row["sum"][0]) for row in rows]
        if 12 in sums:
            raise InvalidInputError("no dozens", field="images[0]")
        return [item(each / 12) for each in sums if each] if self.rounds == 1 else ()


def answers(model: Sums, *jobs: SumsJob, alone: bool = False) -> list[str]:
    """What the server hears of requests that waited together; the reason of those that failed."""
    queue = DeviceQueue(Batcher[Item](1 << 20, 32))
    for number, job in enumerate(jobs):
        count = len(job.items)
        queue.put(
            ArrayRequest(
                *(number, Flow(number), "", time.perf_counter(), wire.Timing()),
                job=job,
                items=job.items,
                rows=[{}] * count,
                missing=count,
                alone=alone,
            )
        )
    queue.drain()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        outbox = Outbox(ours)
        Executor(None, task_of(model), queue, outbox, Pace(0)).run()
        outbox.flush()
        theirs.setblocking(False)
        frames = [wire.WorkerFrame.FromString(bytes(frame)) for frame in FrameDecoder().feed(theirs.recv(1 << 16))]
    parts = {part.id: part for frame in frames for part in frame.parts}
    return [parts[number].failure.reason or parts[number].output.decode() for number in range(len(jobs))]


def test_items_of_one_shape_run_together_and_each_request_hears_its_own() -> None:
    model = Sums()
    assert answers(model, SumsJob(item(1), item(2, side=4)), SumsJob(item(3)), SumsJob(item(1, side=4))) == [
        "12,96",
        "36",
        "48",
    ]
    assert sorted(model.batches) == [(2, 3, 2, 2), (2, 3, 4, 4)]


def test_an_item_that_fails_takes_nobody_with_it() -> None:
    assert answers(Sums(), SumsJob(item(1)), SumsJob(item(500)), SumsJob(item(2)))[1:] == ["internal_error", "24"]


def test_a_row_that_is_no_number_fails_its_request() -> None:
    assert answers(Sums(), SumsJob(item(np.nan)), SumsJob(item(2))) == ["internal_error", "24"]


def test_a_second_round_runs_over_what_the_first_gave_together_with_others() -> None:
    model = Sums()
    jobs = TwiceJob(item(2), item(0), item(3)), TwiceJob(item(4)), SumsJob(item(5))
    assert answers(model, *jobs) == ["24,36", "48", "60"]
    assert model.batches == [(5, 3, 2, 2), (3, 3, 2, 2)]


def test_a_round_without_items_is_the_last_and_one_that_fails_ends_its_request_alone() -> None:
    model = Sums()
    assert answers(model, TwiceJob(item(0)), TwiceJob(item(1)), TwiceJob(item(2))) == ["0", "invalid_input", "24"]
    assert len(model.batches) == 2


def test_items_that_move_each_other_run_alone() -> None:
    assert arrays_move(task_of(Sums(beside=0.1)), "fp32")
    assert not arrays_move(task_of(Sums()), "fp32")
    model = Sums(beside=0.5)
    assert answers(model, SumsJob(item(1), item(2)), alone=True) == ["18,36"]
    assert model.batches == [(1, 3, 2, 2)] * 2


def test_a_graph_of_a_fixed_batch_is_filled_up() -> None:
    model = Sums(batch=2)
    assert answers(model, SumsJob(item(1), item(2), item(3))) == ["12,24,36"]
    assert model.batches == [(2, 3, 2, 2)] * 2


def test_a_batch_keeps_within_the_tokens_that_its_pixels_cost() -> None:
    batcher = Batcher[int](100, 32)
    assert tokens_of({"pixels": np.zeros((3, 96, 64))}) == 24
    for number in range(10):
        batcher.add(number, 24, 0.0, shape="large" if number % 2 else "wide")
    assert [batcher.take() for _ in range(4)] == [[0, 2, 4, 6], [1, 3, 5, 7], [8], [9]]


def test_a_graph_without_what_is_wanted_is_refused() -> None:
    with pytest.raises(PreconditionError, match="gives sum, and not `logits`"):
        StackedArrays(Sums(), ["logits"], lambda number: item(number))
