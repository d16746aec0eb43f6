"""How many processors this process may use: those it is bound to, and no more than its control groups' quotas allow.

Libraries count the machine's processors, so in a container with a quota of 2 on a machine of 64 they start 64 threads
and spend their quota waiting for each other.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from panope_backends.host.control_groups import ControlGroups, read_number, read_text

_GROUPS = ControlGroups()


@dataclass(frozen=True)
class Quota:
    """What a control group may have of the processors.

    Attributes:
        processors: the time that it may take in each second, in seconds.
        used_seconds: the time that all its processes have taken since it was made; None where nobody tells.
    """

    processors: float
    used_seconds: float | None = None


def usable_processors(groups: ControlGroups = _GROUPS) -> int:
    """Whole processors that this process may use, at least 1."""
    bound, quota = len(bound_processors()), processor_quota(groups)
    return bound if quota is None else max(1, min(bound, int(quota.processors)))


def bound_processors() -> frozenset[int]:
    """The numbers of the processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def processor_quota(groups: ControlGroups = _GROUPS) -> Quota | None:
    """The least that a group of this process, or one above, may have; None where none has a quota."""
    return min((*_of_version_2(groups), *_of_version_1(groups)), key=lambda quota: quota.processors, default=None)


def threads_to_use(requested: int, groups: ControlGroups = _GROUPS) -> int:
    """The number of threads to ask of a library; 0 for its own choice, which is right with the whole machine."""
    if requested > 0:
        return requested
    usable = usable_processors(groups)
    return usable if usable < (os.cpu_count() or 1) else 0


def openmp_threads(requested: int, groups: ControlGroups = _GROUPS) -> int:
    """The number of threads to ask of a library that heeds `OMP_NUM_THREADS`: where that is set, it has its say."""
    return requested if os.environ.get("OMP_NUM_THREADS") else threads_to_use(requested, groups)


def is_one_thread(requested: int, groups: ControlGroups = _GROUPS) -> bool:
    """Whether a library that is asked for so many threads, 0 for its own choice, computes with one."""
    return (requested or usable_processors(groups)) == 1 or len(bound_processors()) == 1


def shared_threads(most: int) -> int:
    """How many threads share work beside a model's own, such as masks and rows of logits: `most` at most."""
    return min(most, usable_processors())


def _of_version_2(groups: ControlGroups) -> Iterator[Quota]:
    for folder in groups.unified():
        quota, _, period = read_text(folder / "cpu.max").partition(" ")
        if quota.isdigit() and period.isdigit() and int(quota) and int(period):
            told = dict(line.split(" ", 1) for line in read_text(folder / "cpu.stat").splitlines() if " " in line)
            used = told.get("usage_usec", "")
            yield Quota(int(quota) / int(period), int(used) / 1e6 if used.isdigit() else None)


def _of_version_1(groups: ControlGroups) -> Iterator[Quota]:
    for folder in groups.of("cpu"):
        quota, period = read_number(folder / "cpu.cfs_quota_us"), read_number(folder / "cpu.cfs_period_us")
        if quota is not None and period is not None and quota > 0 and period > 0:
            used = read_number(groups.mount / "cpuacct" / folder.relative_to(groups.mount / "cpu") / "cpuacct.usage")
            yield Quota(quota / period, None if used is None else used / 1e9)
