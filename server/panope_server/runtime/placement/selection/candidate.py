"""One way to run a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from panope_backends.api import Conversion, Device, Level
from panope_registry.inspect.precisions import bits_of
from panope_registry.registry import VariantEntry
from panope_registry.serving_records.profiles import Profile

_LEAST_LEFT = 0.05
"""What is left of a device at least: whoever comes next gets a share of it."""


class Way(NamedTuple):
    """What tells a candidate from the others of a model, whatever is free now."""

    variant_digest: str
    backend: str
    device: str
    conversion: Conversion | None
    precision: str


@dataclass(frozen=True)
class Candidate:
    """A variant on a device: one way to run a model.

    Attributes:
        variant: the one that is run, or converted first.
        precision: to compute in; empty lets the backend choose.
        conversion: how the variant becomes what the backend runs; None when it runs it as it is.
        reason: what the backend says of it.
        need_bytes: of memory, for all instances; 0 when unknown.
        free_bytes: of memory on the device; 0 when unknown.
        profile: what was measured of it; None when nothing was.
        extra_bytes: of `need_bytes`, what one instance takes beside its model, such as a cache.
        instances: that `need_bytes` is for.
        devices: for each of them the devices that it runs on, one after another; empty where all run on `device`.
        lineage: format and precision of each variant that it comes from, the one that is run first.
        busy: the part of its device's time that is taken now, 0 to 1, in tenths; 0 when unknown.
        tensor_parallel: devices that each instance is divided over.
        divisor: that this number must divide, as its backend says.
    """

    variant: VariantEntry
    device: Device
    precision: str
    level: Level
    conversion: Conversion | None
    reason: str
    need_bytes: int = 0
    free_bytes: int = 0
    profile: Profile | None = None
    lineage: tuple[tuple[str, str], ...] = ()
    extra_bytes: int = 0
    instances: int = 1
    devices: tuple[Device, ...] = ()
    busy: float = 0.0
    tensor_parallel: int = 1
    divisor: int = 1

    @property
    def way(self) -> Way:
        """What tells it from the others of its model."""
        device = self.device
        return Way(self.variant.digest, device.backend, device.name, self.conversion, self.precision)

    @property
    def speed(self) -> float:
        """Items in a second, of what its device has left; 0 when nobody measured it."""
        return 0.0 if self.profile is None else self.profile.items_per_second * max(_LEAST_LEFT, 1 - self.busy)

    @property
    def label(self) -> str:
        """The candidate in a few words."""
        made = (self.conversion or self.variant).format, (self.conversion or self.variant).precision
        over = f"over {self.tensor_parallel} devices" if self.tensor_parallel > 1 else ""
        return " ".join(part for part in (self.device.backend, self.device.name, "with", *made, over) if part)

    @property
    def shares(self) -> Mapping[Device, int]:
        """What its instances take of each device that some run on, in bytes."""
        counts = Counter(self.devices or [self.device])
        return {device: self.need_bytes * count // counts.total() for device, count in counts.items()}

    @property
    def bits(self) -> int:
        """Of the coarsest weights from the repo's to those that are run; unknown ones count as not quantized."""
        return min((bits_of(precision) or 16 for _, precision in self.lineage), default=16)
