"""A model that no device holds is divided over several that are alike; where somebody asks for it, also another."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest
from selection_doubles import CPU, CUDA, GB, Here, measured, variant

from panope_backends.api import Device, ModelFacts, Support
from panope_backends.errors import CapacityError, PreconditionError
from panope_server.config.sections.models import ModelsSettings
from panope_server.runtime.placement.constraints import LoadConstraints
from panope_server.runtime.placement.selection.machine import device_title, undivided_title

CARDS = tuple(replace(CUDA, name=f"cuda:{number}", pci_address=f"0000:0{number}:00.0") for number in range(4))
LARGE = variant("large", "safetensors", "bf16", 40 * GB)
SMALL = variant("small", "safetensors", "bf16", 8 * GB)


@dataclass
class Dividing(Here):
    """A machine whose cards, and processor, divide models."""

    devices: tuple[Device, ...] = CARDS
    divisor: int = 8
    undivided: str = ""

    async def supports(self, facts: ModelFacts) -> Mapping[tuple[str, str], Support]:
        found = await super().supports(facts)
        return {
            place: replace(support, divisor=self.divisor, undivided=self.undivided) for place, support in found.items()
        }


def free_on(*sizes: int) -> dict[str, int]:
    return {f"cuda:{number}": size * GB for number, size in enumerate(sizes)}


def test_a_model_that_no_card_holds_is_divided_over_as_few_as_hold_it() -> None:
    selection = Dividing(free_on=free_on(24, 24, 24, 24)).choose([LARGE])
    best = selection.candidates[0]
    assert best.tensor_parallel == 2
    assert len({device.name for device in best.devices}) == 2
    assert set(best.shares.values()) == {20 * GB}
    assert best.label.endswith("over 2 devices")
    assert "divided over 2 devices" in selection.reasons[0]
    assert "needs 40.00 GB of memory and 24.00 GB are free" in selection.reasons[0]


def test_more_devices_are_taken_where_fewer_do_not_hold_it() -> None:
    best = Dividing(free_on=free_on(12, 12, 12, 12)).choose([LARGE]).candidates[0]
    assert best.tensor_parallel == 4
    assert [device.name for device in best.devices] == ["cuda:0", "cuda:1", "cuda:2", "cuda:3"]


def test_the_emptiest_cards_take_the_parts() -> None:
    here = Dividing(free_on=free_on(21, 3, 22, 23))
    found = {each.device.name: each for each in here.choose([LARGE]).candidates}
    assert [device.name for device in found["cuda:0"].devices] == ["cuda:0", "cuda:3"]
    assert "cuda:1" not in found, "which has no room for a part"


def test_a_model_that_a_card_holds_stays_whole() -> None:
    found = Dividing(free_on=free_on(24, 24)).choose([SMALL]).candidates
    assert {each.tensor_parallel for each in found} == {1}


def test_a_model_that_is_not_divisible_is_refused_as_before() -> None:
    with pytest.raises(PreconditionError, match=r"needs 40\.00 GB"):
        Dividing(free_on=free_on(24, 24, 24, 24), divisor=1).choose([LARGE])


def test_one_device_asked_for_forbids_it() -> None:
    with pytest.raises(PreconditionError):
        Dividing(free_on=free_on(24, 24, 24, 24)).choose([LARGE], LoadConstraints(tensor_parallel=1))


def test_what_was_measured_of_a_whole_model_says_nothing_of_a_divided_one() -> None:
    whole = measured(SMALL, CARDS[0], speed=100.0)
    over_two = replace(whole, device=device_title(CARDS[0], 2), items_per_second=50.0)
    here = Dividing(free_on=free_on(24, 24))
    for number, speed in ((1, 100.0), (2, 50.0)):
        best = here.choose([SMALL], LoadConstraints(tensor_parallel=number), [whole, over_two]).candidates[0]
        assert best.profile is not None
        assert best.profile.items_per_second == speed
    assert undivided_title(over_two.device) == whole.device


def test_a_processor_has_as_many_parts_as_it_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})
    here = Dividing(devices=(CPU,), divisor=4)
    with pytest.raises(PreconditionError, match="has 3 for a model that is divided, not 4"):
        here.choose([SMALL], LoadConstraints(tensor_parallel=4))


def test_a_processor_divides_only_what_is_asked_for() -> None:
    here = Dividing(devices=(CPU,), free={"cpu": 24 * GB})
    with pytest.raises(CapacityError):
        here.choose([LARGE])
    best = here.choose([SMALL], LoadConstraints(tensor_parallel=2)).candidates[0]
    assert (best.tensor_parallel, best.devices, best.shares) == (2, (CPU, CPU), {CPU: 8 * GB})


def test_instances_are_divided_over_cards_of_their_own() -> None:
    here = Dividing(free_on=free_on(24, 24, 24, 24))
    best = here.choose([LARGE], LoadConstraints(tensor_parallel=2), instances=2).candidates[0]
    assert best.need_bytes == 80 * GB
    assert sorted(device.name for device in best.devices) == ["cuda:0", "cuda:1", "cuda:2", "cuda:3"]
    assert set(best.shares.values()) == {20 * GB}


@pytest.mark.parametrize(
    ("number", "changes", "reason"),
    [
        (8, {}, "has 4 for a model that is divided, not 8"),
        (3, {}, "as many devices as divide 8, not over 3"),
        (2, {"divisor": 1, "undivided": "models of experts are not divided"}, "models of experts are not divided"),
        (2, {"divisor": 1}, "does not divide it over 2 devices"),
    ],
)
def test_what_cannot_be_divided_so_is_refused_with_the_reason(
    number: int, changes: dict[str, object], reason: str
) -> None:
    here = Dividing(free_on=free_on(24, 24, 24, 24), **changes)  # type: ignore[arg-type]
    with pytest.raises(PreconditionError, match=reason):
        here.choose([SMALL], LoadConstraints(tensor_parallel=number))


def test_a_refusal_says_that_a_model_may_be_run_undivided() -> None:
    here = Dividing(free_on=free_on(24, 24, 24, 24))
    with pytest.raises(PreconditionError, match=r"`tensor_parallel` is 8; 1, as by `--tensor-parallel 1`, runs"):
        here.choose([SMALL], LoadConstraints(tensor_parallel=8))
    assert here.choose([SMALL], LoadConstraints(tensor_parallel=1)).candidates


def test_settings_say_it_of_models_and_vendors() -> None:
    settings = ModelsSettings(tensor_parallel_by_model=("acme/large=4", "acme/*=2"))
    names = ("acme/large", "acme/other", "others/m")
    assert [settings.tensor_parallel_of(name) for name in names] == [4, 2, 0]
