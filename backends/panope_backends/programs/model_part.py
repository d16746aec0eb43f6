"""Holds a part of a model that is divided over devices, beside its worker, which starts this program.

    python -m panope_backends.programs.model_part --fd NUMBER-OF-A-SOCKET

It does what the worker says, in its order, until the worker is gone.
"""

from __future__ import annotations

import logging
import os
import queue
import socket
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from panope.worker.v1 import tensor_parallel_pb2 as wire
from panope_backends.api import ModelFacts
from panope_backends.engines.torch.decoder.paged_model import TorchStepModel
from panope_backends.engines.torch.tensor_parallel import channel
from panope_backends.engines.torch.tensor_parallel.group import Place
from panope_backends.engines.torch.tensor_parallel.part import PartOptions, load_part, prove_part
from panope_backends.engines.torch.tensor_parallel.steps import batch_of, copies_of
from panope_backends.engines.torch.torch_backend import TorchBackend
from panope_backends.errors import PanopeError, PreconditionError
from panope_backends.isolation.memory_limit import is_out_of_memory
from panope_backends.plugins import load_backend
from panope_backends.programs import process_setup

EXIT_WORKER_GONE = 0
EXIT_DEFECT = 4

_log = logging.getLogger(__name__)


class Peer:
    """One part of a model, beside its worker.

    Args:
        connection: to the worker.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._commands: queue.SimpleQueue[wire.PeerCommand] = queue.SimpleQueue()
        self._options: PartOptions | None = None
        self._module: Any = None
        self._model: TorchStepModel | None = None

    def run(self) -> NoReturn:
        """Does what comes; ends with the worker, whatever runs."""
        threading.Thread(target=self._read, name="commands", daemon=True).start()
        while True:
            command = self._commands.get()
            try:
                self._do(command)
            except Exception:  # the worker ends with this process: a step that one part fails in is lost to all
                _log.exception("a part of the model has failed")
                os._exit(EXIT_DEFECT)

    def _read(self) -> None:
        for command in channel.received(self._connection, wire.PeerCommand):
            self._commands.put(command)
        os._exit(EXIT_WORKER_GONE)

    def _do(self, command: wire.PeerCommand) -> None:
        match command.WhichOneof("body"):
            case "load":
                self._answer(self._load, command.load)
            case "prove":
                self._answer(self._prove)
            case "allocate":
                self._answer(self._proved.allocate, command.allocate.blocks)
            case "step":
                self._proved.run_whole(batch_of(command.step))
            case "copy":
                self._proved.copy_blocks(copies_of(command.copy))
            case "forget":
                self._proved.forget()

    @property
    def _proved(self) -> TorchStepModel:
        assert self._model is not None, "the worker proves a part before it runs it"
        return self._model

    def _load(self, load: wire.PeerLoad) -> None:
        backend = load_backend(load.backend)
        if not isinstance(backend, TorchBackend):
            raise PreconditionError(f"the backend `{load.backend}` divides no models")
        self._options = PartOptions(
            msgspec.json.decode(load.facts, type=ModelFacts),
            Path(load.folder),
            load.precision,
            load.threads,
            backend.rule.open(load.device),
            Place(load.rank, load.parts, Path(load.store)),
        )
        self._module = load_part(self._options)

    def _prove(self) -> None:
        assert self._options is not None, "the worker loads a part before it proves it"
        self._model = prove_part(self._module, self._options)
        self._module = None

    def _held_bytes(self) -> int | None:
        return None if self._options is None else self._options.device.held_bytes()

    def _answer(self, what: Any, *arguments: Any) -> None:
        """Does something whose failure is no end: what the worker hears of it, it tells its own caller."""
        try:
            what(*arguments)
        except PanopeError as error:
            answer = wire.PeerAnswer(message=error.message, reason=error.reason, kind=error.default_reason)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            answer = wire.PeerAnswer(
                message="a part of the model needs more memory than it may have",
                reason="insufficient_memory",
                kind=PreconditionError.default_reason,
            )
        else:
            answer = wire.PeerAnswer()
            if self._model is not None:
                answer.block_size = self._model.cache.block_size
                if (free := self._model.free_memory_bytes()) is not None:
                    answer.free_bytes = free
                if (held := self._held_bytes()) is not None:
                    answer.held_bytes = held
        channel.send(self._connection, answer)


def main() -> None:
    """Runs the program to its end."""
    match sys.argv[1:]:
        case ["--fd", number] if number.isdecimal():
            process_setup.install()
            logging.basicConfig(stream=sys.stderr, level=logging.INFO)
            Peer(socket.socket(fileno=int(number))).run()
    raise SystemExit("usage: model_part --fd NUMBER; a worker starts the parts of its model itself")


if __name__ == "__main__":
    main()
