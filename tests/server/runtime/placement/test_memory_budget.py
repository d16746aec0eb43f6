"""Who has memory, who makes room, and what is told to who gets none."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from panope_backends.api import Device
from panope_backends.errors import CapacityError, PreconditionError
from panope_server.runtime.placement.memory_budget import MemoryBudget
from panope_server.runtime.placement.reservation import Reservation

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
    guests: list[str] = field(default_factory=list)
    evicted_for: list[str] = field(default_factory=list)

    def evict(self, reason: str) -> None:
        self.evicted_for.append(reason)
        self.may_be_evicted = False
        self.reservation.leaving()


class Server:
    """A machine of which the system says that so much is free, with what is loaded on it."""

    def __init__(self, free: int = 30 * GB, **limits: int) -> None:
        self.tenants: dict[str, Loaded] = {}
        self.free = free
        self.budget = MemoryBudget(
            self.tenants.get,
            system_free_bytes=lambda: self.free,
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


def test_cards_are_told_apart_by_their_addresses_and_not_by_their_names() -> None:
    one = Device("torch-cuda", "gpu", memory_bytes=24 * GB, pci_address="0000:01:00.0")
    other, same = replace(one, backend="acme", pci_address="0000:02:00.0"), replace(one, backend="vulkan", name="VK0")
    server = Server()
    server.load("a/a", 20 * GB, one, may_be_evicted=False)
    assert [server.budget.free_bytes(each) for each in (one, other, same)] == [4 * GB, 24 * GB, 4 * GB]
    taken = {usage.place: usage.reserved_bytes for usage in server.budget.usage()}
    assert taken == {"gpu 0000:01:00.0": 20 * GB, "gpu 0000:02:00.0": 0}


def test_nobody_knows_of_a_card_that_does_not_tell() -> None:
    assert Server().budget.free_bytes(Device("torch-rocm", "rocm:0")) is None


def test_apples_gpu_has_the_machines_memory() -> None:
    server = Server()
    assert server.budget.free_bytes(Device("mps", "mps")) == server.budget.free_bytes(Device("cpu", "CPU"))


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


def test_each_model_that_makes_room_ends_once_however_many_there_are() -> None:
    server = Server(max_bytes=12 * GB)
    old = [server.load(f"a/{n}", 4 * GB, last_used=n) for n in range(3)]
    server.load("b/large", 8 * GB, may_be_evicted=False)
    assert [each.evicted_for for each in old] == [["memory"], ["memory"], []]


def test_the_base_of_an_adapter_that_is_to_be_loaded_makes_no_room_for_it() -> None:
    server = Server(max_bytes=12 * GB)
    base = server.load("a/base", 4 * GB, last_used=0.0)
    old = [server.load(f"a/{n}", 4 * GB, last_used=n) for n in (1, 2)]
    adapter = server.budget.reserve("a/adapter", CPU, 6 * GB, host="a/base")
    assert [each.evicted_for for each in (base, *old)] == [[], ["memory"], ["memory"]]
    for each in old:
        each.reservation.release()
    base.reservation.measured(8 * GB)
    assert (adapter.is_granted, base.evicted_for) == (True, []), "nor for itself, while its adapter loads"


def test_what_runs_in_the_process_of_a_model_makes_room_with_it() -> None:
    server = Server(max_bytes=12 * GB)
    base = server.load("a/base", 4 * GB, last_used=0.0, guests=["a/adapter"])
    adapter = server.load("a/adapter", 2 * GB, last_used=1.0)
    other = server.load("a/other", 6 * GB, last_used=2.0)
    for each in (base, adapter, other):
        each.reservation.loaded()
    assert server.budget.free_bytes(CPU) == 12 * GB, "nothing of it twice"
    server.load("b/b", 6 * GB, may_be_evicted=False)
    assert (base.evicted_for, adapter.evicted_for, other.evicted_for) == (["memory"], [], [])


def test_a_model_whose_end_frees_nothing_there_does_not_go_for_one_that_grew() -> None:
    server = Server(max_bytes=10 * GB, max_models=9)
    card, old = server.load("a/card", GB, CUDA), server.load("a/old", 4 * GB, last_used=1.0)
    server.load("a/grown", 4 * GB, may_be_evicted=False).reservation.measured(7 * GB)
    assert (card.evicted_for, old.evicted_for) == ([], ["memory"])


def test_a_load_waits_for_those_that_end_where_the_system_alone_lacks_the_memory() -> None:
    server = Server(free=15 * GB)
    old = server.load("a/old", 10 * GB)
    old.reservation.loaded()
    server.free = 5 * GB
    waiting = server.load("b/b", 12 * GB, may_be_evicted=False).reservation
    assert (old.evicted_for, waiting.is_granted) == (["memory"], False)
    old.reservation.release()
    assert waiting.is_granted
