"""The rules of the memory budget, whatever happens in whatever order: held against a model of all that is loaded."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from panope_backends.api import Device
from panope_backends.errors import CapacityError
from panope_server.runtime.placement.memory_budget import MemoryBudget
from panope_server.runtime.placement.reservation import Reservation

LIMIT, MOST_MODELS = 100, 6
HOST = Device("cpu", "CPU", memory_bytes=1 << 40)
CARD = Device("torch-cuda", "cuda:0", memory_bytes=LIMIT)
NAMES = st.sampled_from([f"acme/{n}" for n in range(9)])


@dataclass
class Loaded:
    """A model: it loads, serves, answers calls, and ends."""

    world: BudgetMachine
    name: str
    device: Device
    reservation: Reservation
    serves: bool = False
    calls: int = 0
    is_pinned: bool = False
    last_used: float = 0.0
    is_leaving: bool = False
    occupation: str = ""
    host: str = ""

    @property
    def guests(self) -> list[str]:
        return [each.name for each in self.world.models.values() if each.host == self.name]

    @property
    def may_be_evicted(self) -> bool:
        is_idle = self.serves and not self.calls and not self.is_pinned and not self.is_leaving
        return is_idle and not any(self.world.models[guest].holds_host for guest in self.guests)

    @property
    def holds_host(self) -> bool:
        return not self.is_leaving and not self.may_be_evicted

    @property
    def size(self) -> int:
        """What its end gives back."""
        those = [self, *(self.world.models[guest] for guest in self.guests)]
        return sum(each.reservation.size_bytes for each in those if not each.is_leaving)

    def evict(self, reason: str) -> None:
        assert self.serves, "what loads is never evicted"
        assert not self.calls, "what answers a call is never evicted"
        assert not self.is_pinned, "what is pinned is never evicted"
        assert not self.is_leaving, "nothing is evicted twice"
        assert not any(self.world.models[guest].holds_host for guest in self.guests), "nor under what runs in it"
        others = [each for each in self.world.models.values() if each.may_be_evicted]
        of_use = [each for each in others if each.device is self.device and each.size]
        oldest = {min((each.last_used for each in of_use), default=0.0)}
        if reason == "max_loaded_models":
            oldest.add(min(each.last_used for each in others))
        assert self.last_used in oldest, "the least recently used goes first, of those whose end is of use"
        self.end()

    def end(self) -> None:
        """With all that runs in it; as models do, it says so at once."""
        for guest in [self.world.models[name] for name in self.guests]:
            if not guest.is_leaving:
                guest.end()
        self.is_leaving = True
        self.reservation.leaving()


class BudgetMachine(RuleBasedStateMachine):
    """Loads, calls, failures and ends, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.models: dict[str, Loaded] = {}
        self.clock = 0.0
        self.budget = MemoryBudget(
            self.models.get,
            max_bytes=LIMIT,
            max_models=MOST_MODELS,
            system_free_bytes=lambda: 1 << 40,
        )

    def now(self) -> float:
        self.clock += 1
        return self.clock

    @rule(name=NAMES, size=st.integers(0, LIMIT), device=st.sampled_from([HOST, CARD]))
    def load(self, name: str, size: int, device: Device) -> None:
        if name in self.models:
            return
        staying = [each for each in self.models.values() if not each.is_leaving]
        fixed = [each for each in staying if not each.may_be_evicted]
        needed = size + sum(each.reservation.size_bytes for each in fixed if each.device is device)
        try:
            reservation = self.budget.reserve(name, device, size)
        except CapacityError:
            assert needed > LIMIT or len(fixed) + 1 > MOST_MODELS, "there was room, or it could have been made"
            assert [each for each in self.models.values() if not each.is_leaving] == staying, "nobody went for nothing"
        else:
            assert needed <= LIMIT
            assert len(fixed) + 1 <= MOST_MODELS
            self.models[name] = Loaded(self, name, device, reservation)

    @rule(name=NAMES, base=NAMES, size=st.integers(0, LIMIT))
    def load_beside(self, name: str, base: str, size: int) -> None:
        """An adapter, in the process of its base."""
        host = self.models.get(base)
        if name in self.models or host is None or not host.serves or host.is_leaving or host.host:
            return
        try:
            reservation = self.budget.reserve(name, host.device, size, host=base)
        except CapacityError:
            return
        assert not host.is_leaving, "the base stays for it"
        self.models[name] = Loaded(self, name, host.device, reservation, host=base)

    @rule(name=NAMES)
    def serve(self, name: str) -> None:
        model = self.models.get(name)
        if model is not None and model.reservation.is_granted and not model.is_leaving:
            model.reservation.loaded()
            model.serves, model.last_used = True, self.now()

    @rule(name=NAMES)
    def fail(self, name: str) -> None:
        """A load that fails, or is given up while it waits, or a worker that dies, whatever the model does then."""
        if name in self.models:
            for gone in [*self.models[name].guests, name]:
                model = self.models.pop(gone)
                model.reservation.release()
                model.reservation.release()

    @rule(name=NAMES)
    def begin_call(self, name: str) -> None:
        model = self.models.get(name)
        if model is not None and model.serves and not model.is_leaving:
            model.calls, model.last_used = model.calls + 1, self.now()

    @rule(name=NAMES)
    def end_call(self, name: str) -> None:
        model = self.models.get(name)
        if model is not None and model.calls:
            model.calls, model.last_used = model.calls - 1, self.now()

    @rule(name=NAMES, pinned=st.booleans())
    def pin(self, name: str, pinned: bool) -> None:
        if name in self.models:
            self.models[name].is_pinned = pinned

    @rule(name=NAMES, part=st.floats(0, 1))
    def measure(self, name: str, part: float) -> None:
        model = self.models.get(name)
        if model is not None and model.serves:
            model.reservation.measured(int(model.reservation.size_bytes * part))

    @rule(name=NAMES)
    def unload(self, name: str) -> None:
        """A person ends it: others may count on its memory from now on."""
        model = self.models.get(name)
        if model is not None and model.serves and not model.is_leaving:
            model.end()

    @rule()
    def all_that_leave_are_gone(self) -> None:
        going = [each for each in self.models.values() if each.is_leaving]
        for model in going:
            del self.models[model.name]
        for model in going:
            model.reservation.release()
        waiting = [each for each in self.models.values() if not each.reservation.is_granted]
        assert not waiting, "what waits has its memory once all that leave are gone"

    @invariant()
    def never_over_the_budget(self) -> None:
        granted = [each for each in self.models.values() if each.reservation.is_granted]
        for device in (HOST, CARD):
            assert sum(each.reservation.size_bytes for each in granted if each.device is device) <= LIMIT
        assert len(granted) == self.budget.loaded_models() <= MOST_MODELS

    @invariant()
    def what_is_reserved_is_what_models_have(self) -> None:
        reserved = {usage.place: usage.reserved_bytes for usage in self.budget.usage()}
        for place, device in (("host", HOST), ("cuda:0", CARD)):
            held = sum(each.reservation.size_bytes for each in self.models.values() if each.device is device)
            assert reserved.get(place, 0) == held

    @invariant()
    def what_is_said_to_be_free_can_be_had(self) -> None:
        fixed = [each for each in self.models.values() if not each.may_be_evicted and not each.is_leaving]
        for device in (HOST, CARD):
            held = sum(each.reservation.size_bytes for each in fixed if each.device is device)
            assert self.budget.free_bytes(device) == LIMIT - held


BudgetMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
test_the_budget_keeps_its_rules = BudgetMachine.TestCase


@pytest.mark.slow
def test_the_budget_keeps_its_rules_for_long() -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(BudgetMachine, settings=settings(max_examples=300, stateful_step_count=60, deadline=None))
