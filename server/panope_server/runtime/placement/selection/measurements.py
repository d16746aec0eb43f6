"""What was measured of a model, as far as it tells how a variant runs on a device of now."""

from __future__ import annotations

from collections.abc import Sequence

from panope_backends.api import Device
from panope_registry.models.types import VariantEntry
from panope_registry.serving_records.profiles import Profile
from panope_server.runtime.placement.agreement import agrees, disagreement_text
from panope_server.runtime.placement.selection.machine import device_title, uncounted_title
from panope_server.runtime.placement.workloads import deciding_workload


class Measurements:
    """The measurements of one model's variants.

    Args:
        task: of the model.
        profiles: what was measured.
        precision: the only one that counts; empty for any.
    """

    def __init__(self, task: str, profiles: Sequence[Profile], precision: str) -> None:
        self._profiles = profiles
        self._precision = precision
        self._workload = deciding_workload(task, {profile.workload for profile in profiles})

    def best(self, variant: VariantEntry, device: Device, tensor_parallel: int = 1) -> Profile | None:
        """The fastest that was measured of the variant there with the engine of now, of those that agree.

        Args:
            variant: that is run.
            device: where.
            tensor_parallel: devices like it that it is divided over.
        """
        title = device_title(device, tensor_parallel)
        measured = [profile for profile in self._of(variant, device) if profile.device == title]
        found = [profile for profile in measured if agrees(profile)] or measured
        return max(found, key=lambda profile: profile.items_per_second, default=None)

    def disagreement(self, variant: VariantEntry, device: Device, tensor_parallel: int = 1) -> str:
        """Why the variant answers wrong there, whatever it computes in; empty where it does not.

        What was measured with other numbers of usable cores tells it too, where nothing was with as many as now.
        """
        title = device_title(device, tensor_parallel)
        found = [each for each in self._of(variant, device) if uncounted_title(each.device) == uncounted_title(title)]
        measured = [each for each in found if each.device == title] or found
        return disagreement_text(measured[0]) if measured and not any(map(agrees, measured)) else ""

    def _of(self, variant: VariantEntry, device: Device) -> Sequence[Profile]:
        """What was measured of the variant by the device's backend, on any device."""
        like = (variant.digest, device.backend, device.engine_version, self._workload)
        return [
            profile
            for profile in self._profiles
            if (profile.variant_digest, profile.backend, profile.engine_version, profile.workload) == like
            and self._precision in ("", profile.precision)
        ]
