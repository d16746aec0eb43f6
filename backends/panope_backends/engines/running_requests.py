"""The requests that run on an engine that samples itself, and what came of them, between its threads and the worker."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from panope_backends.api import GenerationRequest, TokenDelta
from panope_backends.errors import InvalidInputError, OverloadedError, PreconditionError


class Running(Protocol):
    """What a model keeps of a request on its way."""

    request: GenerationRequest


R = TypeVar("R", bound=Running)


class RunningRequests(Generic[R]):
    """Requests by their ids until their last deltas are taken, and the deltas that wait for that.

    Args:
        slots: answers that run at once.

    Attributes:
        changed: what stands behind it; whoever changes what he keeps of a request may hold it meanwhile.
        is_closed: whether nothing is taken any more, in either direction.
    """

    def __init__(self, slots: int) -> None:
        self.changed = threading.Condition()
        self.is_closed = False
        self._slots = slots
        self._running: dict[int, R] = {}
        self._deltas: deque[TokenDelta] = deque()

    def add(self, running: R) -> None:
        """Takes a request, as `TokenModel.submit` describes it."""
        request = running.request
        with self.changed:
            if self.is_closed:
                raise PreconditionError("the model is closed", reason="model_closed")
            if request.id in self._running:
                raise InvalidInputError("a request of this id runs", field="id")
            if request.n > self._slots - sum(each.request.n for each in self._running.values()):
                raise OverloadedError("all slots are taken")
            self._running[request.id] = running

    def get(self, request_id: int) -> R | None:
        """The request of this id; None where none runs."""
        with self.changed:
            return self._running.get(request_id)

    def give(self, deltas: Sequence[TokenDelta]) -> None:
        """Has deltas wait until they are taken."""
        with self.changed:
            if not self.is_closed:
                self._deltas.extend(deltas)
                self.changed.notify_all()

    def take(self, timeout_seconds: float) -> Sequence[TokenDelta]:
        """What came since the last call, as `TokenModel.deltas` describes it."""
        with self.changed:
            self.changed.wait_for(lambda: self._deltas or self.is_closed, timeout_seconds)
            deltas = list(self._deltas)
            self._deltas.clear()
            for delta in deltas:
                if delta.usage is not None:
                    self._running.pop(delta.request_id, None)
            return deltas

    def close(self) -> Sequence[int] | None:
        """Drops what waits, and wakes who waits for it; the ids of what runs, or None where it was closed before."""
        with self.changed:
            if self.is_closed:
                return None
            self.is_closed = True
            self._deltas.clear()
            self.changed.notify_all()
            return list(self._running)
