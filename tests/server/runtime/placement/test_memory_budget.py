"""Who has memory, who makes room, and what is told to who gets none."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from panope_backends.api import Device
from panope_backends.errors import CapacityError, PreconditionError
from panope_server.runtime.placement.memory_budget import MemoryBudget, Reservation

GB = 10**9
CPU = Device("cpu", "CPU", memory_bytes=64 * GB)
OPENVINO = Device("openvino", "CPU", memory_bytes=64 * GB)
CUDA = Device("torch-cuda", "cuda:0", memory_bytes=24 * GB)
OTHER = Device("torch-cuda", "cuda:1", memory_bytes=24 * GB)


@dataclass
class Loaded:
    """A model that is loaded; `gone` gives its memory back."""

    reservation: Reservation
    last_used: float = 0.0
    may_be_evicted: bool = True
    is_pinned: bool = False
    occupation: str = ""
    evicted_for: list[str] = field(default_factory=list)

    def evict(self, reason: str) -> None:
        self.evicted_for.append(reason)


class Server:
    """A machine of which the system says that so much is free, with what is loaded on it."""

    def __init__(self, free: int = 30 * GB, **limits: int) -> None:
        self.tenants: dict[str, Loaded] = {}
        self.budget = MemoryBudget(
            self.tenants.get,
            system=SimpleNamespace(free_bytes=lambda: free),  # type: ignore[arg-type]  # a stand-in
            **limits,
        )

    def load(self, name: str, size: int, device: Device = CPU, **facts: object) -> Loaded:
        reservation = self.budget.reserve(name, device, size)
        self.tenants[name] = Loaded(reservation, **facts)  # type: ignore[arg-type]  # fields by their names
        return self.tenants[name]


def test_a_processor_has_what_the_system_says_less_what_is_being_loaded() -> None:
    server = Server()
    assert server.budget.free_bytes(CPU) == 30 * GB
    one = server.load("a/a", 10 * GB, may_be_evicted=False).reservation
    assert server.budget.free_bytes(CPU) == server.budget.free_bytes(OPENVINO) == 20 * GB
    one.loaded()
    assert server.budget.free_bytes(CPU) == 30 * GB, "of which the system knows now"
    one.release()
    assert server.budget.free_bytes(CPU) == 30 * GB


def test_weights_that_the_system_counts_as_free_are_not() -> None:
    server = Server(free=60 * GB)
    server.load("a/a", 50 * GB, may_be_evicted=False).reservation.loaded()
    assert server.budget.free_bytes(OPENVINO) == 14 * GB


def test_a_card_has_what_its_models_leave() -> None:
    server = Server()
    server.load("a/a", 20 * GB, CUDA, may_be_evicted=False).reservation.loaded()
    assert server.budget.free_bytes(CUDA) == 4 * GB
    assert server.budget.free_bytes(OTHER) == 24 * GB
    assert server.budget.free_bytes(CPU) == 30 * GB


def test_nobody_knows_of_a_card_that_does_not_tell() -> None:
    assert Server().budget.free_bytes(Device("mps", "mps")) is None


def test_the_model_that_was_used_least_recently_makes_room_and_its_memory_is_waited_for() -> None:
    server = Server(max_bytes=10 * GB)
    old, new = server.load("a/old", 4 * GB, last_used=1.0), server.load("a/new", 4 * GB, last_used=2.0)
    assert server.budget.free_bytes(CPU) == 10 * GB, "all of it may go"
    third = server.load("a/third", 4 * GB).reservation
    assert (old.evicted_for, new.evicted_for) == (["memory"], [])
    assert not third.is_granted, "the old one is not gone yet"
    old.reservation.release()
    assert third.is_granted


def test_two_loads_at_once_do_not_count_on_the_same_room() -> None:
    server = Server(max_bytes=10 * GB)
    old = [server.load(f"a/{n}", 5 * GB, last_used=n) for n in range(2)]
    first = server.load("b/first", 5 * GB, may_be_evicted=False)
    second = server.load("b/second", 5 * GB, may_be_evicted=False)
    assert [each.evicted_for for each in old] == [["memory"], ["memory"]]
    with pytest.raises(CapacityError):
        server.load("b/third", 5 * GB)
    old[1].reservation.release()
    assert (first.reservation.is_granted, second.reservation.is_granted) == (True, False)
    old[0].reservation.release()
    assert second.reservation.is_granted


def test_a_load_without_room_evicts_nobody_and_hears_who_has_the_memory() -> None:
    server = Server(max_bytes=10 * GB)
    idle = server.load("a/idle", 3 * GB)
    server.load("a/busy", 6 * GB, may_be_evicted=False, occupation="answering calls")
    with pytest.raises(CapacityError) as caught:
        server.load("a/large", 8 * GB)
    assert not idle.evicted_for
    assert caught.value.retry_after_seconds == 1.0
    assert caught.value.message.endswith("; 2 others have 9.00 GB: 1 answering calls, 1 idle")
    assert "a/busy" not in caught.value.message, "a caller may not see it"


def test_where_all_memory_is_kept_for_ever_nobody_is_told_to_come_back() -> None:
    server = Server(max_bytes=10 * GB)
    server.load("a/kept", 6 * GB, may_be_evicted=False, is_pinned=True, occupation="kept for ever")
    with pytest.raises(CapacityError, match="kept for ever") as caught:
        server.load("a/large", 8 * GB)
    assert caught.value.retry_after_seconds is None


def test_what_is_larger_than_the_budget_never_fits() -> None:
    server = Server(max_bytes=10 * GB)
    with pytest.raises(PreconditionError, match=r"needs 11\.00 GB of memory; models may take 10\.00 GB"):
        server.load("a/huge", 11 * GB)


def test_so_many_models_are_loaded_and_no_more() -> None:
    server = Server(max_models=2)
    old, card = server.load("a/old", 1, last_used=1.0), server.load("a/card", 1, CUDA, last_used=2.0)
    third = server.load("a/third", 1, may_be_evicted=False)
    assert (old.evicted_for, card.evicted_for) == (["max_loaded_models"], [])
    old.reservation.release()
    server.budget.reserve("a/third", CPU, 1)  # the same model once more, such as its replacement
    assert (third.reservation.is_granted, card.evicted_for, server.budget.loaded_models()) == (True, [], 2)


def test_what_takes_more_than_it_was_said_to_has_another_make_room() -> None:
    server = Server(max_bytes=10 * GB)
    old, grown = server.load("a/old", 4 * GB), server.load("a/grown", 4 * GB, may_be_evicted=False)
    grown.reservation.measured(7 * GB)
    assert old.evicted_for == ["memory"]
    grown.reservation.measured(3 * GB)
    assert server.budget.of("a/grown") == 3 * GB


def test_a_load_that_waits_is_refused_when_others_turn_out_to_take_its_room() -> None:
    server = Server(max_bytes=10 * GB)
    old, grown = server.load("a/old", 5 * GB), server.load("a/grown", 5 * GB, may_be_evicted=False)
    waiting = server.load("a/waiting", 5 * GB, may_be_evicted=False)
    grown.reservation.measured(7 * GB)
    assert waiting.reservation.refusal is not None
    assert "1 idle" in waiting.reservation.refusal.message
    old.reservation.release()
    assert not waiting.reservation.is_granted


def test_a_cache_that_fills_up_later_is_reserved_however_little_is_measured() -> None:
    server = Server()
    reservation = server.budget.reserve("a/a", CPU, 8 * GB, 6 * GB)
    reservation.measured(GB)
    assert reservation.size_bytes == 6 * GB
