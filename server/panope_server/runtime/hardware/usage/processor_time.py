"""How long the processors that this process may use have been at work."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from typing import Any

import psutil

from panope_backends.host.control_groups import ControlGroups
from panope_backends.host.processors import bound_processors, processor_quota

_GROUPS = ControlGroups()


@dataclass(frozen=True)
class ProcessorTime:
    """What there was since the machine began, at one moment.

    Attributes:
        wall_seconds: of a clock.
        busy_seconds: that the processors which this process may run on were at work, for anybody.
        processors: how many these are.
        quota: the processors that its control group may have; None without a quota.
        quota_seconds: that the group has had of them; None where nobody tells.
    """

    wall_seconds: float
    busy_seconds: float
    processors: int
    quota: float | None = None
    quota_seconds: float | None = None

    @classmethod
    def now(cls, groups: ControlGroups = _GROUPS) -> ProcessorTime:
        """This moment."""
        each = _times()
        quota = processor_quota(groups)
        return cls(
            monotonic(),
            sum(map(_busy, each)),
            len(bound_processors()),
            None if quota is None else quota.processors,
            None if quota is None else quota.used_seconds,
        )

    def taken_since(self, earlier: ProcessorTime, except_seconds: float = 0.0) -> float:
        """The part, 0 to 1, that was taken of what this process could have had: of the processors or of its quota.

        Args:
            earlier: when to count from.
            except_seconds: of processors, that do not count.
        """
        wall = self.wall_seconds - earlier.wall_seconds
        parts = [(self.busy_seconds - earlier.busy_seconds, float(self.processors))]
        if self.quota is not None and self.quota_seconds is not None and earlier.quota_seconds is not None:
            parts.append((self.quota_seconds - earlier.quota_seconds, self.quota))
        if wall <= 0:
            return 0.0
        return min(1.0, max(0.0, *((used - except_seconds) / (wall * most) for used, most in parts)))


def _times() -> list[Any]:
    """Of the processors that this process may run on; of all at once where it is bound to none."""
    bound = bound_processors()
    if len(bound) < (psutil.cpu_count() or 1):
        each = psutil.cpu_times(percpu=True)
        if max(bound) < len(each):  # they are counted from 0, without those that are off
            return [each[number] for number in sorted(bound)]
    return [psutil.cpu_times()]


def _busy(times: Any) -> float:
    # What guests take is counted among `user` already.
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    return float(sum(times) - guests - times.idle - getattr(times, "iowait", 0.0))
