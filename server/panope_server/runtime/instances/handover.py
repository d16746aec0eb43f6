"""Hands what waits for a model to its instances."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from panope_backends.errors import InternalError
from panope_server.runtime.instances.in_flight import Entry
from panope_server.runtime.instances.model_instance import ModelInstance
from panope_server.runtime.instances.queue.request_queue import RequestQueue
from panope_server.runtime.instances.queue.turns import Passed
from panope_server.runtime.instances.role import Role
from panope_server.runtime.placement.placement import Placement

_log = structlog.get_logger("panope.models")


class Handover:
    """Moves entries from a queue to instances while they have room.

    Args:
        model: for the log.
        instances: that serve; may change between calls.
    """

    def __init__(self, model: str, queue: RequestQueue, instances: Sequence[ModelInstance]) -> None:
        self._model = model
        self._queue = queue
        self._instances = instances

    def run(self) -> None:
        """Hands over all that instances have room for."""
        while (entry := self._next()) is not None:
            instance = _best(self._fitting(entry))
            self._queue.count_turn(entry)
            self._hand_over(entry, instance)

    def pass_by(self, entry: Entry) -> bool:
        """Hands an entry over that nothing in the queue comes before; False when it must wait there."""
        if self._queue.comes_before(entry) or not (fitting := self._fitting(entry)):
            return False
        self._queue.count_passing(entry)
        self._hand_over(entry, _best(fitting))
        return True

    def _next(self) -> Entry | None:
        """The next entry for which there is room.

        Only a call, or a caller, that has its share of every window is passed over, and a class that none with room
        runs. At any other the rest waits, so that large ones get in too.
        """
        passed = Passed()
        while (entry := self._queue.head(passed)) is not None and not self._fitting(entry):
            with_room = [instance for instance in self._instances if instance.has_room(entry)]
            if not with_room:
                if entry.priority > 0 or Role.HIGH_PRIORITY not in [instance.role for instance in self._instances]:
                    return None
                passed.classes.add(entry.priority_class)
                continue
            if any(instance.leaves_reserve(entry) for instance in with_room):
                passed.flows.add(entry.flow_id)
            else:
                passed.callers.add((entry.priority_class, entry.caller))
        return entry

    def _fitting(self, entry: Entry) -> list[ModelInstance]:
        return [instance for instance in self._instances if instance.fits(entry)]

    def _hand_over(self, entry: Entry, instance: ModelInstance) -> None:
        try:
            _set_placement(entry.placement, instance)
            instance.submit(entry)
        except Exception as error:  # the caller hears of it; the others are handed over all the same
            _log.error("dispatch_failed", model=self._model, instance=instance.name, exc_info=error)
            entry.fail(InternalError("the call could not be handed to a worker"))


def _best(instances: Sequence[ModelInstance]) -> ModelInstance:
    """One that is kept for such calls, else the one that has the least to do."""
    return min(instances, key=lambda each: (each.role is not Role.HIGH_PRIORITY, each.in_flight_items))


def _set_placement(placement: Placement, instance: ModelInstance) -> None:
    plan = instance.plan
    placement.instance, placement.variant_digest, placement.backend = instance.name, plan.variant_digest, plan.backend
    placement.format, placement.precision = plan.format, plan.weights_precision
