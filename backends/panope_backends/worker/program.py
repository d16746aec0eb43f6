"""The life of a worker: load, serve, end.

    main thread   loads the model, then runs batches (`Executor`), or steps of models that generate (`StepExecutor`)
    submit        gives prompts to models that generate, when they have slots
    intake        reads frames and makes tokens (`Intake`)
    prepare       makes the prompts of models that generate (`Preparers`)
    rounds        makes those rounds of requests that are slow to make (`RoundMakers`)
    heartbeat     tells that the process lives
    outbox        sends what the socket did not take at once

The end of the socket is the end of the server and ends the process at once, whatever runs. Every other end has its
exit code.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator, Sequence
from typing import NoReturn

from google.protobuf.message import DecodeError

from panope.worker.v1 import worker_pb2 as wire
from panope_backends.api import PeerMemory, TokenModel
from panope_backends.errors import PanopeError
from panope_backends.wire.frames import FrameError
from panope_backends.worker import log
from panope_backends.worker.adapters import ServedModels
from panope_backends.worker.batch.batching import Batcher
from panope_backends.worker.batch.executor import Executor
from panope_backends.worker.batch.pace import Pace
from panope_backends.worker.batch.queue import DeviceQueue
from panope_backends.worker.batch.rounds import RoundMakers
from panope_backends.worker.connection import Outbox, read_frames
from panope_backends.worker.heartbeat import Heartbeat
from panope_backends.worker.intake import AnyQueue, Intake, UnknownFrameError
from panope_backends.worker.loading import ServedModel, load_model
from panope_backends.worker.progress import Busy, Stopwatch
from panope_backends.worker.requests import Item, failure
from panope_backends.worker.step.executor import StepExecutor
from panope_backends.worker.step.queue import TokenQueue

EXIT_DRAINED = 0
EXIT_NOT_LOADED = 1
EXIT_GARBAGE = 2
EXIT_SERVER_GONE = 3
EXIT_DEFECT = 4


class Worker:
    """One model instance on one socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._frames = _guarded(read_frames(connection))
        self._outbox = Outbox(connection)
        self._preparing = Stopwatch()
        self._queue: AnyQueue | None = None
        self._reader: Intake | None = None
        self._loaded: ServedModel | None = None
        self._load = wire.Load()
        self._executor: Executor | StepExecutor | None = None
        self._rounds: RoundMakers | None = None
        self._is_loaded = threading.Event()

    def run(self) -> int:
        """Serves until the server ends it; the process's exit code."""
        load = self._load = self._read_load()
        # Both run while the model loads: a server that dies meanwhile must not leave a worker behind.
        Heartbeat(
            self._outbox,
            self._waiting,
            self._running,
            self._busy_preparing,
            self._statistics,
            self._device_memory,
            self._peer_memory,
        ).start()
        threading.Thread(target=self._intake, name="intake", daemon=True).start()
        try:
            loaded = load_model(load)
        except PanopeError as error:
            log.error("model_load_failed", model=load.model, reason=error.reason, message=error.message)
            self._outbox.send(wire.WorkerFrame(failure=failure(error)))
            self._outbox.flush()
            return EXIT_NOT_LOADED
        self._queue, self._executor = self._made(load, loaded)
        self._loaded = loaded
        self._outbox.send(wire.WorkerFrame(ready=loaded.ready))
        self._is_loaded.set()
        try:
            self._executor.run()
        except BaseException as error:  # requests' own errors are answered; what comes here is a defect of the loop
            log.error("device_failed", error)
            end(EXIT_DEFECT, "worker_ends")
        self._outbox.flush()
        loaded.model.close()
        return EXIT_DRAINED

    def _made(self, load: wire.Load, loaded: ServedModel) -> tuple[AnyQueue, Executor | StepExecutor]:
        """The queue and what runs it, by the kind of the model."""
        if isinstance(loaded.model, TokenModel):
            tokens = TokenQueue(loaded.model)
            return tokens, StepExecutor(loaded.model, tokens, self._outbox)
        batcher = _batcher(load, loaded)
        pace = Pace(load.target_batch_microseconds / 1_000_000)
        pace.overhead_tokens = loaded.overhead_tokens
        batcher.paced_most_of = pace.texts
        queue = DeviceQueue(batcher)
        executor = Executor(loaded.sequences, loaded.arrays, queue, self._outbox, pace)
        if loaded.arrays is not None:
            self._rounds = RoundMakers(queue, executor)
            self._rounds.start()
        return queue, executor

    def _waiting(self) -> int:
        return 0 if self._queue is None else self._queue.waiting()

    def _busy_preparing(self) -> Busy:
        preparing = Busy() if self._reader is None else self._reader.preparing()
        rounds = Busy() if self._rounds is None else self._rounds.ids()
        return Busy([*preparing.ids, *rounds.ids], preparing.seconds)

    def _running(self) -> Busy:
        return Busy() if self._queue is None else self._queue.running()

    def _statistics(self) -> wire.GenerationStatistics | None:
        return self._executor.statistics() if isinstance(self._executor, StepExecutor) else None

    def _device_memory(self) -> int | None:
        ask = None if self._loaded is None else self._loaded.device_memory
        return None if ask is None else ask()

    def _peer_memory(self) -> Sequence[PeerMemory]:
        return () if self._loaded is None else self._loaded.peer_memory()

    def _read_load(self) -> wire.Load:
        for frame in self._frames:
            if frame.WhichOneof("body") != "load":
                end(EXIT_GARBAGE, "first_frame_is_not_load")
            return frame.load
        return end(EXIT_SERVER_GONE, "server_gone")

    def _intake(self) -> None:
        try:
            for frame in self._frames:
                self._is_loaded.wait()
                if self._reader is None:
                    assert self._loaded is not None  # set before the event
                    assert self._queue is not None
                    models = ServedModels(self._load, self._loaded, self._outbox)
                    self._reader = Intake(self._loaded, models, self._queue, self._outbox, self._preparing)
                self._reader.handle(frame)
        except UnknownFrameError as error:
            end(EXIT_GARBAGE, "frame_without_meaning", kind=str(error))
        except BaseException as error:  # without this thread the worker is deaf; the server starts another
            log.error("intake_failed", error)
            end(EXIT_DEFECT, "worker_ends")
        end(EXIT_SERVER_GONE, "server_gone")


def _guarded(frames: Iterator[wire.ServerFrame]) -> Iterator[wire.ServerFrame]:
    """The frames; garbage ends the process, because nothing after it can be trusted."""
    try:
        yield from frames
    except (FrameError, DecodeError) as error:
        end(EXIT_GARBAGE, "server_sent_garbage", kind=type(error).__name__)


def _batcher(load: wire.Load, loaded: ServedModel) -> Batcher[Item]:
    size = 1 if loaded.runs_alone else max(1, load.max_batch_size)
    wait_seconds = load.batch_wait_microseconds / 1_000_000
    batcher = Batcher[Item](max(1, load.max_batch_tokens), size, wait_seconds=wait_seconds)
    batcher.max_padding = loaded.max_padding
    batcher.most_of = loaded.budget.texts
    return batcher


def end(code: int, event: str, **fields: str) -> NoReturn:
    """Ends the process at once, from any thread: no batch that runs is waited for, no engine is taken down."""
    log.error(event, exit_code=code, **fields)
    os._exit(code)
