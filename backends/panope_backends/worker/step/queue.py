"""Requests to a model that generates: those that wait for its slots, and those that have them.

The server hands over no more sequences than the model has slots. Some wait here all the same: the slots of a request
that was cancelled are free at the model's next step, and a call of many prompts may have more than there are.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable

from panope_backends.api import TokenModel
from panope_backends.errors import InternalError
from panope_backends.worker.progress import Busy, Stopwatch
from panope_backends.worker.requests import Request, TokenRequest


class TokenQueue:
    """Who has the model's slots, and who is next. Safe to use from several threads.

    Args:
        model: that generates.
    """

    def __init__(self, model: TokenModel) -> None:
        self._model = model
        self._changed = threading.Condition()
        self._requests: dict[int, TokenRequest] = {}
        self._waiting: list[TokenRequest] = []  # in the order of their turns
        self._callers: OrderedDict[Hashable, None] = OrderedDict()  # that wait, in the order of theirs
        self._owners: dict[int, tuple[TokenRequest, int]] = {}
        self._held = 0
        self._last_id = 0
        self._draining = False
        self._running = Stopwatch()

    def refuse_other(self, request: Request) -> None:
        """InternalError for a request of another kind."""
        if not isinstance(request, TokenRequest):
            raise InternalError("the task made a job that its model does not run")

    def put(self, request: Request) -> None:
        """Adds a request; `next_prompt` gives its prompts out."""
        assert isinstance(request, TokenRequest)  # others were refused
        with self._changed:
            self._requests[request.frame_id] = request
            self._wait_for_turn(request, len(self._waiting))
            self._changed.notify_all()

    def cancel(self, frame_id: int) -> None:
        """Drops a request and ends what runs of it; one that is over or unknown is left alone."""
        with self._changed:
            request = self._requests.get(frame_id)
            if request is not None:
                self._end(request)

    def end(self, request: TokenRequest) -> bool:
        """Marks a request as over and ends what runs of it; False when it was over already."""
        with self._changed:
            if request.over:
                return False
            self._end(request)
            return True

    def pause(self, frame_id: int, *, paused: bool) -> None:
        """Holds a request's parts back, or lets them go on; its sequences run on."""
        with self._changed:
            request = self._requests.get(frame_id)
            if request is not None:
                request.paused = paused

    def drain(self) -> None:
        """Lets the loops end when all requests have ended."""
        with self._changed:
            self._draining = True
            self._changed.notify_all()

    @property
    def is_draining(self) -> bool:
        """Whether no more requests are taken."""
        return self._draining

    def waiting(self) -> int:
        """How many prompts wait for slots."""
        with self._changed:
            return sum(len(request.job.requests) - request.submitted for request in self._waiting)

    def running(self) -> Busy:
        """The step that runs now."""
        return self._running.read()

    def more(self, request: TokenRequest) -> None:
        """A request whose job may have more prompts than before waits for slots with them, as if it came anew."""
        with self._changed:
            if request.waits and not request.over and request not in self._waiting:
                self._wait_for_turn(request, len(self._waiting))
                self._changed.notify_all()

    # For the thread that submits.

    def next_prompt(self) -> tuple[TokenRequest, int, int] | None:
        """Waits for a prompt whose sequences have slots; None when the queue is drained.

        Requests of a higher class come first. In a class callers take turns, a prompt each, and of one caller's
        requests those of a higher priority come first, and those of one priority in turns. One that is late is dropped.

        Returns:
            The request, the index of its prompt, and the id under which to submit it.
        """
        with self._changed:
            while True:
                if (request := self._next()) is not None:
                    return self._reserve(request)
                if self._draining and not self._requests:
                    return None
                self._changed.wait()

    def refused(self, model_id: int) -> None:
        """The model has not taken a prompt: its slots are free."""
        with self._changed:
            self._release(model_id)

    def put_back(self, model_id: int, seconds: float) -> None:
        """The model had no slot for a prompt after all: it is next again, after a step or so many seconds."""
        with self._changed:
            request, _ = self._owners[model_id]
            self._release(model_id)
            if not request.over:
                request.submitted -= 1
                if request in self._waiting:
                    self._waiting.remove(request)
                self._wait_for_turn(request, 0)
                self._callers.move_to_end(request.flow.caller, last=False)
            self._changed.wait(seconds)

    # For the thread that runs steps.

    def wait_for_work(self) -> bool:
        """Waits until the model has something to run; False when the queue is drained."""
        with self._changed:
            while not self._owners:
                if self._draining and not self._requests:
                    return False
                self._changed.wait()
            self._running.start(list({request.frame_id for request, _ in self._owners.values()}))
            return True

    def step_ended(self, seconds: float) -> None:
        """The step that ran is over; those that have slots share the time that it took, by their sequences."""
        self._running.stop()
        with self._changed:
            for request, index in self._owners.values():
                request.device_seconds += seconds * request.job.requests[index].n / self._held

    def owner(self, model_id: int) -> tuple[TokenRequest, int] | None:
        """Whose prompt it is, and which; None when nobody waits for its answers any more."""
        with self._changed:
            found = self._owners.get(model_id)
            return None if found is None or found[0].over else found

    def prompt_ended(self, model_id: int) -> None:
        """A prompt has its last delta: its slots are free."""
        with self._changed:
            self._release(model_id)

    @property
    def sequences(self) -> int:
        """Slots that are taken."""
        return self._held

    def _next(self) -> TokenRequest | None:
        """Whose turn it is; None while its sequences have no slots."""
        if late := [each for each in self._waiting if each.is_late]:
            self._end(*late)
        if not self._waiting:
            return None
        turns = {caller: turn for turn, caller in enumerate(self._callers)}
        request = min(
            self._waiting, key=lambda each: (-each.flow.priority_class, turns[each.flow.caller], -each.priority)
        )
        wanted = request.job.requests[request.submitted].n
        # The model refuses what exceeds all its slots, by the field's name.
        return request if self._held + wanted <= self._model.slots or not self._held else None

    def _reserve(self, request: TokenRequest) -> tuple[TokenRequest, int, int]:
        index = request.submitted
        request.submitted += 1
        self._waiting.remove(request)
        if request.waits:
            self._waiting.append(request)
        self._end_turn(request.flow.caller)
        self._last_id += 1
        self._owners[self._last_id] = request, index
        self._held += request.job.requests[index].n
        request.running.add(self._last_id)
        request.started = request.started or time.perf_counter()
        self._changed.notify_all()
        return request, index, self._last_id

    def _wait_for_turn(self, request: TokenRequest, place: int) -> None:
        self._waiting.insert(place, request)
        self._callers.setdefault(request.flow.caller)

    def _end_turn(self, caller: Hashable) -> None:
        self._callers.move_to_end(caller)
        self._forget_unless_waiting(caller)

    def _forget_unless_waiting(self, caller: Hashable) -> None:
        if not any(each.flow.caller == caller for each in self._waiting):
            del self._callers[caller]

    def _release(self, model_id: int) -> None:
        if (owner := self._owners.pop(model_id, None)) is None:
            return
        request, index = owner
        self._held -= request.job.requests[index].n
        request.running.discard(model_id)
        self._changed.notify_all()

    def _end(self, *requests: TokenRequest) -> None:
        for request in requests:
            request.over = True
            del self._requests[request.frame_id]
            for model_id in request.running:  # their slots are free with their last deltas
                self._model.cancel(model_id)
        if any(request.waits for request in requests):
            self._waiting = [each for each in self._waiting if not each.over]
            callers = {each.flow.caller for each in self._waiting}
            self._callers = OrderedDict.fromkeys(caller for caller in self._callers if caller in callers)
        self._changed.notify_all()
