"""What to load and how: the result of choosing, the input of an instance."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from panope_backends.errors import PanopeError
from panope_server.config import MediaLimits
from panope_server.runtime.placement.reservation import Reserved


@dataclass(frozen=True)
class LoadPlan:
    """A candidate that is ready to be loaded.

    Attributes:
        precision: to compute in; empty lets the backend choose.
        weights_precision: of most weights in the files; empty when unknown.
        folder: the variant's verified files.
        cache_folder: where the backend may keep compiled forms; None for nowhere.
        grants: of the settings that the model has.
        reason: why it was chosen, for people.
        memory_limit_bytes: that its process may allocate; 0 for any.
        instances: how many there will be.
        need_bytes: of memory, for all instances, as its files say; 0 when unknown.
        memory: what is reserved for it; whoever ends what runs it gives that back.
        task_settings: the task's message to the worker with the server's settings of it.
        backend_settings: the backend's, which may hold a key.
        host: of an adapter that runs in a worker of its base model, the key of that; empty for a worker of its own.
        host_variant: the digest of the variant that runs there.
        model_number: by which workers know what it becomes; unique in this server.
        devices: for each instance the devices that it runs on, one after another; empty where all run on `device`.
        python: the interpreter of its process; empty for the server's own.
        media_limits: how large media may be that are decoded.
        tensor_parallel: devices that each instance is divided over.
    """

    model: str
    task: str
    variant_digest: str
    format: str
    backend: str
    device: str
    precision: str
    weights_precision: str
    folder: Path
    cache_folder: Path | None
    reason: str
    grants: tuple[str, ...] = ()
    memory_limit_bytes: int = 0
    instances: int = 1
    need_bytes: int = 0
    memory: Reserved | None = field(default=None, repr=False, compare=False)
    task_settings: bytes = b""
    backend_settings: bytes = field(default=b"", repr=False)
    host: str = ""
    host_variant: str = ""
    model_number: int = 0
    python: str = ""
    devices: tuple[str, ...] = ()
    media_limits: MediaLimits = field(default_factory=MediaLimits)
    tensor_parallel: int = 1

    def devices_of(self, place: int) -> tuple[str, ...]:
        """The devices that an instance runs on, by its place among all; several where it is divided over them."""
        begin = place * self.tensor_parallel
        return self.devices[begin : begin + self.tensor_parallel] or (self.device,)

    @property
    def identity(self) -> tuple[str, str, str, str, str]:
        """What tells it from other plans of the same model."""
        return self.backend, self.device, self.variant_digest, self.precision, self.host


@dataclass(frozen=True)
class Host:
    """A base model that serves here and takes adapters.

    Attributes:
        key: under which it runs.
        plan: of its instances.
        precision: that they compute in.
    """

    key: str
    plan: LoadPlan
    precision: str


@dataclass(frozen=True)
class FailedPlan:
    """A plan that a worker could not load, and why."""

    plan: LoadPlan
    error: PanopeError
