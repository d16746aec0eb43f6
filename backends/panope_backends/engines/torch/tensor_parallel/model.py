"""The step model of a worker whose model is divided over several devices."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from panope.worker.v1 import tensor_parallel_pb2 as wire
from panope_backends.api import CacheSpec, ModelFacts, PeerMemory, StepBatch, StepModel
from panope_backends.engines.torch.decoder.paged_model import TorchStepModel
from panope_backends.engines.torch.devices.torch_device import TorchDevice
from panope_backends.engines.torch.out_of_memory import DeviceLostError
from panope_backends.engines.torch.tensor_parallel.group import Place, leave
from panope_backends.engines.torch.tensor_parallel.part import PartOptions, load_part, prove_part
from panope_backends.engines.torch.tensor_parallel.peers import Peers
from panope_backends.engines.torch.tensor_parallel.steps import copy_of, step_of
from panope_backends.errors import PreconditionError
from panope_backends.host.processors import usable_processors
from panope_backends.host.resident import resident_bytes

Array = np.ndarray[Any, Any]


def load_divided(
    model: ModelFacts,
    folder: Path,
    precision: str,
    threads: int,
    backend: str,
    device: TorchDevice,
    peer_devices: Sequence[str],
) -> DividedStepModel:
    """Loads a decoder over several devices.

    Args:
        model: what is known of it.
        folder: its files.
        precision: that its weights are brought to.
        threads: to compute with, of all parts together; 0 for one a processor.
        backend: the name of the backend.
        device: of the first part, which this process holds.
        peer_devices: of the others, by the backend's names.

    Raises:
        PreconditionError: as `load_part` and `prove_part`, for any of its parts.
    """
    parts = 1 + len(peer_devices)
    each = max(1, (threads or usable_processors()) // parts) if device.is_host else threads
    meeting = Path(tempfile.mkdtemp(prefix="panope-parts-"))  # only this user may enter it
    store = meeting / "store"
    loads = [
        wire.PeerLoad(
            facts=msgspec.json.encode(model),
            folder=str(folder),
            precision=precision,
            threads=each,
            backend=backend,
            device=name,
            rank=rank,
            parts=parts,
            store=str(store),
        )
        for rank, name in enumerate(peer_devices, 1)
    ]
    peers = Peers(loads)
    try:
        options = PartOptions(model, folder, precision, each, device, Place(0, parts, store))
        module = load_part(options)
        peers.wait()
        peers.tell(wire.PeerCommand(prove=wire.PeerProve()))
        own = prove_part(module, options)
        answers = peers.wait()
        if any(answer.block_size != own.cache.block_size for answer in answers):
            raise PreconditionError("the devices attend to pages of different sizes", reason="not_divisible")
        return DividedStepModel(own, peers, answers, parts, is_host=device.is_host)
    except BaseException:
        peers.close()
        leave()
        raise
    finally:
        shutil.rmtree(meeting, ignore_errors=True)  # all have met


class DividedStepModel(StepModel):
    """A decoder whose parts run each step at once, in this process and in its peers.

    Args:
        own: this process's part.
        peers: the others.
        answers: what they said once they were proved.
        parts: how many there are, this one included.
        is_host: whether all of them are in the machine's own memory.
    """

    def __init__(
        self, own: TorchStepModel, peers: Peers, answers: Sequence[wire.PeerAnswer], parts: int, *, is_host: bool
    ) -> None:
        self._own, self._peers, self._is_host = own, peers, is_host
        self.precision, self.max_positions, self.vocab_size = own.precision, own.max_positions, own.vocab_size
        spec = own.cache
        block_bytes = spec.block_bytes * parts if is_host else spec.block_bytes
        self.cache = CacheSpec(spec.block_size, block_bytes, spec.precision)
        self._answers = answers

    @property
    def peer_pids(self) -> list[int]:
        """The processes of the other parts."""
        return self._peers.pids

    def allocate(self, blocks: int) -> None:
        """Replaces the caches of all parts."""
        self.blocks = 0
        self._peers.tell(wire.PeerCommand(allocate=wire.PeerAllocate(blocks=blocks)))
        try:
            self._own.allocate(blocks)
        finally:
            answers = self._peers.wait()
        self._answers = answers
        self.blocks = blocks

    def forward(self, batch: StepBatch) -> Array:
        """Runs one step in all parts."""
        self.check(batch)
        self._peers.tell(wire.PeerCommand(step=step_of(batch)))
        try:
            return self._own.run_whole(batch)
        except Exception as error:  # the other parts wait for what this one did not compute
            raise DeviceLostError(f"a part of the model has failed: {type(error).__name__}") from error

    def copy_blocks(self, copies: Sequence[tuple[int, int]]) -> None:
        """Copies keys and values of all layers in all parts."""
        self.check_copies(copies)
        if copies:
            self._peers.tell(wire.PeerCommand(copy=copy_of(copies)))
            self._own.copy_blocks(copies)

    def free_memory_bytes(self) -> int | None:
        """What the fullest of their devices has left."""
        own = self._own.free_memory_bytes()
        return None if own is None else min([own, *(answer.free_bytes for answer in self._answers)])

    def peer_memory(self) -> Sequence[PeerMemory]:
        """What the processes of the other parts hold; of their devices, as they told when their caches were made."""
        told = zip(self._peers.pids, self._answers, strict=True)
        return [PeerMemory(resident_bytes(pid), answer.held_bytes) for pid, answer in told]

    def close(self) -> None:
        """Ends the other parts and frees this one."""
        self._peers.close()
        self._answers = [wire.PeerAnswer() for _ in self._answers]
        self._own.close()
        if self._is_host:
            leave()
