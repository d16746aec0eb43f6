"""The processes of a divided model as a group in `torch.distributed`."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from panope_backends.engines.torch.devices.torch_device import TorchDevice
from panope_backends.errors import PreconditionError

JOIN_SECONDS = 600.0
"""In which all processes must have come; importing PyTorch takes long on a machine that does much else."""

_LOOPBACK = "lo" if sys.platform == "linux" else "lo0"


@dataclass(frozen=True)
class Place:
    """A process's place in its group.

    Attributes:
        rank: of its part; that of the worker is 0.
        parts: how many there are.
        store: the file by which the processes find each other, in a folder that nobody else may enter.
    """

    rank: int
    parts: int
    store: Path


def join(place: Place, device: TorchDevice) -> None:
    """Makes this process one of the group; returns when all have come.

    What is exchanged goes by the loopback interface, and between GPUs by what NCCL or RCCL finds there.

    Raises:
        PreconditionError: this PyTorch divides no models over such devices.
    """
    import torch
    import torch.distributed as distributed

    kind, _, number = device.torch_name.partition(":")
    # transformers takes the accelerator that PyTorch has for the devices of the group, whatever is asked of it.
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    found = "cpu" if accelerator is None else accelerator.type
    backend = "gloo" if device.is_host else "nccl"  # RCCL has NCCL's name
    if found != kind or not distributed.is_available() or not distributed.is_backend_available(backend):
        raise PreconditionError(
            f"this PyTorch divides no models over devices such as `{device.name}`", reason="not_divisible"
        )
    os.environ["GLOO_SOCKET_IFNAME"] = os.environ["NCCL_SOCKET_IFNAME"] = _LOOPBACK
    os.environ["LOCAL_RANK"] = number or "0"  # where transformers puts the weights
    if not device.is_host:
        torch.accelerator.set_device_index(int(number or 0))
    distributed.init_process_group(
        backend,
        store=distributed.FileStore(str(place.store), place.parts),
        rank=place.rank,
        world_size=place.parts,
        timeout=timedelta(seconds=JOIN_SECONDS),
        device_id=None if device.is_host else torch.device(device.torch_name),
    )


def leave() -> None:
    """Ends this process's membership, so that it may join another group."""
    import torch.distributed as distributed

    if distributed.is_initialized():
        distributed.destroy_process_group()
