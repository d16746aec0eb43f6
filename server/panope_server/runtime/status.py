"""What people and programs may see of models and instances: plain values, copied from the live objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from panope_backends.api import GenerationStatistics, TensorSpec
from panope_server.tasks.classify import ClassifySpec
from panope_server.tasks.embed import EmbedSpec
from panope_server.tasks.generate.types import GenerateSpec
from panope_server.tasks.text_spec import TextSpec
from panope_server.tasks.vision.diffusion_spec import DiffusionSpec


class ModelState(StrEnum):
    """Whether a model can answer."""

    UNLOADED = "unloaded"
    LOADING = "loading"
    SERVING = "serving"
    UNLOADING = "unloading"
    FAILED = "failed"


class InstanceState(StrEnum):
    """Whether a worker process can answer."""

    STARTING = "starting"
    READY = "ready"
    UNRESPONSIVE = "unresponsive"
    BACKING_OFF = "backing_off"
    DRAINING = "draining"

    @property
    def is_loaded(self) -> bool:
        """Whether it has its model and takes orders, if only once it listens again."""
        return self in (InstanceState.READY, InstanceState.UNRESPONSIVE)


class BreakerState(StrEnum):
    """Whether something that failed is given requests."""

    CLOSED = "closed"
    """It is: it has not failed, or not since it answered."""
    OPEN = "open"
    """It is not until the pause is over."""
    HALF_OPEN = "half_open"
    """The pause is over: the next try tells."""


@dataclass(frozen=True)
class BreakerView:
    """A circuit breaker.

    Attributes:
        retry_after_seconds: the rest of the pause; 0 unless it is open.
        reason: why it is not closed, for people.
    """

    state: BreakerState = BreakerState.CLOSED
    retry_after_seconds: float = 0.0
    reason: str = ""


CLOSED = BreakerView()


@dataclass(frozen=True)
class PinView:
    """Keeps a variant's files in the store."""

    principal: str
    reason: str
    created_at: datetime


@dataclass(frozen=True)
class ProfileView:
    """What a variant was measured to do; see `panope_registry.serving_records.profiles.Profile`."""

    backend: str
    engine_version: str
    device: str
    precision: str
    workload: str
    items_per_second: float
    latency_p50_seconds: float
    latency_p99_seconds: float
    memory_bytes: int
    load_seconds: float
    measured_at: datetime


@dataclass(frozen=True)
class VariantView:
    """A runnable form of a model; see `panope_registry.models.types.VariantEntry`."""

    digest: str
    format: str
    precision: str
    size_bytes: int
    is_local: bool = True
    missing_bytes: int = 0
    memory_bytes: int = 0
    parameter_count: int = 0
    derived_from: str | None = None
    engine_version: str = ""
    base_models: tuple[str, ...] = ()
    pin: PinView | None = None
    profiles: tuple[ProfileView, ...] = ()


@dataclass(frozen=True)
class TokenIntervals:
    """Times between tokens, since the model was loaded.

    Attributes:
        counts: of tokens, one number for each of `TOKEN_INTERVAL_BOUNDS` and one above the last.
        seconds: their sum.
    """

    counts: tuple[int, ...]
    seconds: float


@dataclass(frozen=True)
class InstanceView:
    """A worker process.

    Attributes:
        format: of the variant's files.
        weights_precision: of the variant's weights; empty when unknown.
        precision: that it computes in.
        generation: what it generates, as it told last; None of models that do not, and before the first heartbeat.
        token_intervals: as above.
        in_flight_items: that it has.
        role: which calls it runs, as of `instances.role.Role`.
        devices: that it runs on, each once, `device` first; empty for that one alone.
        device_memory: what it holds of the own memory of each device that it runs on, as it told last; 0 where it uses
            the machine's, or nobody tells.
    """

    id: str
    variant_digest: str
    format: str
    weights_precision: str
    backend: str
    device: str
    precision: str
    state: InstanceState
    pid: int
    resident_bytes: int
    restart_count: int
    selection_reason: str
    ready_at: datetime | None
    started_at: datetime | None = None
    generation: GenerationStatistics | None = None
    token_intervals: TokenIntervals | None = None
    breaker: BreakerView = CLOSED
    in_flight_items: int = 0
    role: str = "any"
    device_memory: tuple[tuple[str, int], ...] = ()
    devices: tuple[str, ...] = ()

    @property
    def all_devices(self) -> tuple[str, ...]:
        """Every device that it runs on, the first of them first."""
        return self.devices or (self.device,)

    @property
    def device_memory_bytes(self) -> int:
        """What it holds of its devices' own memory, of all together."""
        return sum(held for _, held in self.device_memory)

    def memory_on(self, device: str) -> int | None:
        """What it holds of a device's own memory; None where it has not told that it runs there."""
        held = [size for name, size in self.device_memory if name == device]
        return sum(held) if held else None


@dataclass(frozen=True)
class ActivityView:
    """What a model does now, and how long it stays.

    Attributes:
        active_calls: that use it, or wait for it to be loaded.
        queued_items: that wait in its queue.
        in_flight_items: that its instances have.
        work_per_second: units of work, such as tokens, that it answers while it is busy, lately; 0 until measured.
        memory_bytes: that is reserved for it: as estimated, then as measured.
        keep_alive_seconds: for which it stays loaded unused: infinity for ever, None while its memory is not needed.
        unload_at: when it is unloaded if nobody uses it; None while it is in use, or has no such time.
    """

    active_calls: int = 0
    queued_items: int = 0
    in_flight_items: int = 0
    work_per_second: float = 0.0
    memory_bytes: int = 0
    keep_alive_seconds: float | None = None
    unload_at: datetime | None = None


@dataclass(frozen=True)
class ModelView:
    """A model with its variants and instances, by its own name or by that of an alias.

    Attributes:
        alias_of: what the alias points to, a model's name or `model@digits` of a variant; empty for a model itself.
        activity: as above.
        default_keep_alive_seconds: for which its record says that it stays loaded unused: infinity for ever, None
            leaves it to the settings.
    """

    name: str
    task: str
    architecture: str
    state: ModelState
    state_reason: str
    created_at: datetime
    variants: tuple[VariantView, ...] = ()
    instances: tuple[InstanceView, ...] = ()
    embed: EmbedSpec | None = None
    generate: GenerateSpec | None = None
    classify: ClassifySpec | None = None
    text: TextSpec | None = None
    diffusion: DiffusionSpec | None = None
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    source: str = ""
    commit: str = ""
    revision: str = ""
    preferred_format: str = ""
    preferred_precision: str = ""
    quantization_targets: tuple[str, ...] = ()
    task_candidates: tuple[str, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)
    alias_of: str = ""
    breaker: BreakerView = CLOSED
    activity: ActivityView = ActivityView()
    default_keep_alive_seconds: float | None = None

    @property
    def base_model(self) -> str:
        """The model that an adapter changes; empty for what is none."""
        return next((base for variant in self.variants for base in variant.base_models), "")
