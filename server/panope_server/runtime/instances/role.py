"""Which calls the instances of a model run, where some are kept for calls of high priority."""

from __future__ import annotations

from enum import StrEnum

from panope_server.config import Workers


class Role(StrEnum):
    """Which calls an instance runs."""

    ANY = "any"
    HIGH_PRIORITY = "high_priority"
    """None but those of high priority."""
    BACKGROUND = "background"
    """Any, and its threads make way for those of the instances for high priority."""

    def takes(self, priority: int) -> bool:
        """Whether it runs calls of a priority."""
        return self is not Role.HIGH_PRIORITY or priority > 0


def roles_of(count: int, workers: Workers) -> list[Role]:
    """The roles of so many instances of one model, those for high priority included."""
    reserved = min(workers.high_priority_instances, count - 1)
    if not reserved:
        return [Role.ANY] * count
    return [Role.BACKGROUND] * (count - reserved) + [Role.HIGH_PRIORITY] * reserved
