"""The models of one worker by their numbers: the one that it was started for, and adapters that come and go."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from queue import SimpleQueue

from panope.worker.v1 import worker_pb2 as wire
from panope_backends.errors import PanopeError, PreconditionError
from panope_backends.tasks.task import LoadedAdapter, Prepare
from panope_backends.worker import log
from panope_backends.worker.connection import Outbox
from panope_backends.worker.loading import ServedModel, loading_errors
from panope_backends.worker.requests import failure


class ServedModels:
    """Finds what makes jobs of requests for a model; any thread may ask.

    Args:
        load: what the worker was started for.
        loaded: the model that it became.
        outbox: takes word of adapters.
    """

    def __init__(self, load: wire.Load, loaded: ServedModel, outbox: Outbox) -> None:
        self._loaded = loaded
        self._outbox = outbox
        self._requests: dict[int, Mapping[str, Prepare]] = {load.model_number: loaded.requests}
        self._backend = load.backend
        self._adapters: dict[int, LoadedAdapter] = {}
        self._changes: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._thread = threading.Thread(target=self._change, name="adapters", daemon=True)

    def prepare_of(self, number: int, task: str) -> Prepare:
        """What makes jobs of requests for a task of a model.

        Raises:
            PreconditionError: the model is gone, or does not do the task.
        """
        requests = self._requests.get(number)
        if requests is None:
            raise PreconditionError("the adapter is not loaded any more", reason="model_not_loaded")
        if task not in requests:
            raise PreconditionError(f"the model does not do `{task}`; it does {', '.join(sorted(requests))}")
        return requests[task]

    def load(self, frame: wire.LoadAdapter) -> None:
        """Has an adapter loaded, after what was asked before; the server hears what became of it."""
        self._put(partial(self._load, frame))

    def unload(self, number: int) -> None:
        """Has an adapter forgotten, after what was asked before; one that is not here is ignored."""
        self._requests.pop(number, None)
        self._put(partial(self._unload, number))

    def _put(self, change: Callable[[], None]) -> None:
        if self._thread.ident is None:
            self._thread.start()
        self._changes.put(change)

    def _change(self) -> None:
        while True:
            change = self._changes.get()
            try:
                change()
            except Exception as error:  # an adapter that ends badly must not keep others from coming
                log.error("adapter_failed", error)

    def _load(self, frame: wire.LoadAdapter) -> None:
        told = wire.AdapterLoaded(model_number=frame.model_number)
        try:
            with loading_errors(frame.model, self._backend):
                loaded = self._made(frame)
        except PanopeError as error:
            told.failure.CopyFrom(failure(error))
        else:
            self._adapters[frame.model_number] = loaded
            self._requests[frame.model_number] = loaded.requests
            told.ready.CopyFrom(self._loaded.ready)
            told.ready.facts = loaded.facts
            told.ready.max_adapters = 0
        self._outbox.send(wire.WorkerFrame(adapter=told))

    def _made(self, frame: wire.LoadAdapter) -> LoadedAdapter:
        if self._loaded.adapters is None:
            raise PreconditionError("no adapters run beside this model", reason="needs_own_instance")
        return self._loaded.adapters.load(Path(frame.folder), frame.variant_digest)

    def _unload(self, number: int) -> None:
        self._requests.pop(number, None)
        if (adapter := self._adapters.pop(number, None)) is not None:
            adapter.end()
