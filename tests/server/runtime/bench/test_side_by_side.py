"""Several ways to run a model are measured in turns, as many at a time as have room; which may be said."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from panope_backends.api import Device, Level
from panope_backends.errors import InternalError, PanopeError, PreconditionError
from panope_registry.models.types import VariantEntry
from panope_server.config import Settings
from panope_server.runtime.bench import bench as module
from panope_server.runtime.bench.bench import TURNS, Bench
from panope_server.runtime.bench.turns import together
from panope_server.runtime.bench.wanted import EVERYTHING, Wanted
from panope_server.runtime.placement.selection.candidate import Candidate
from panope_server.runtime.placement.selection.rejections import Rejection
from panope_server.runtime.placement.selection.selection import Selection

GB = 10**9
CPU, OPENVINO, INTEL, CUDA, OTHER = (
    Device("cpu", "CPU"),
    Device("openvino", "CPU"),
    Device("openvino", "GPU"),
    Device("torch-cuda", "cuda:0"),
    Device("torch-cuda", "cuda:1"),
)
DEVICES = (CPU, OPENVINO, INTEL, CUDA, OTHER)


def candidate(device: Device, need: int = GB, free: int = 10 * GB, digest: str = "00") -> Candidate:
    variant = VariantEntry(
        digest, "safetensors", "fp32", need, 0, files=(), derived_from=None, engine_version="", memory_bytes=need
    )
    return Candidate(variant, device, "fp32", Level.FULL, None, "it does", need, free)


# Which have room together.


def test_those_that_fit_into_memory_together_are_measured_side_by_side() -> None:
    small = [candidate(CPU), candidate(OPENVINO), candidate(CPU, digest="01")]
    assert together(small) == [small]
    large = [candidate(CPU, 5 * GB), candidate(OPENVINO, 5 * GB), candidate(CPU, digest="01")]
    assert together(large) == [large[:1], large[1:]]


def test_one_that_is_too_large_for_any_other_is_measured_alone() -> None:
    found = [candidate(CPU, 20 * GB), candidate(OPENVINO)]
    assert together(found) == [found[:1], found[1:]]


def test_a_gpus_memory_is_not_the_machines() -> None:
    found = [candidate(CPU, 5 * GB), candidate(CUDA, 5 * GB), candidate(OTHER, 5 * GB)]
    assert together(found) == [found]
    assert together([*found, candidate(OPENVINO, 5 * GB)]) == [found, [candidate(OPENVINO, 5 * GB)]]


# In turns.


@dataclass
class Asked:
    """Who was called for which workload, and how long."""

    calls: list[tuple[str, str, float]] = field(default_factory=list)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> tuple[Bench, Asked]:
    asked = Asked()

    async def calls(running: Any, workload: Any, seconds: float) -> list[float]:
        if running.candidate.way == "bad" and workload.name == "second":
            raise InternalError("the worker failed")
        asked.calls.append((running.candidate.way, workload.name, seconds))
        return [0.1]

    monkeypatch.setattr(module, "BackgroundLoad", lambda _: SimpleNamespace(share=lambda: 0.0))
    monkeypatch.setattr(module, "processor_seconds", lambda _: 0.0)
    made = Bench(Settings(), None, 6.0)  # type: ignore[arg-type] # nothing is planned
    monkeypatch.setattr(made, "_calls", calls)
    return made, asked


def running(way: str, *workloads: str) -> Any:
    suitable = [SimpleNamespace(name=name) for name in workloads]
    return SimpleNamespace(candidate=SimpleNamespace(way=way), workloads=suitable, pid=7, taken={})


async def test_each_runs_a_third_of_its_time_and_then_the_next_does(bench: tuple[Bench, Asked]) -> None:
    made, asked = bench
    serving = [running("a", "first"), running("b", "first")]
    assert await made._turns(serving) == {}
    assert [way for way, _, seconds in asked.calls if seconds == 1.0] == ["a", "b"], "a second of warm-up"
    assert [way for way, _, seconds in asked.calls if seconds == 6.0 / TURNS] == ["a", "b"] * TURNS
    assert [len(each.taken["first"]) for each in serving] == [TURNS, TURNS]


async def test_one_alone_has_all_its_time_at_once(bench: tuple[Bench, Asked]) -> None:
    made, asked = bench
    await made._turns([running("a", "first")])
    assert [seconds for _, _, seconds in asked.calls] == [1.0, 6.0]


async def test_one_that_fails_is_told_and_the_others_go_on(bench: tuple[Bench, Asked]) -> None:
    made, _ = bench
    good, bad = running("good", "first", "second"), running("bad", "first", "second")
    assert await made._turns([bad, good]) == {"bad": "the worker failed"}
    assert set(good.taken) == {"first", "second"}


# Which are wanted.


@pytest.mark.parametrize(
    ("wanted", "included"),
    [
        (EVERYTHING, [*DEVICES]),
        (Wanted(("cpu", "openvino")), [CPU, OPENVINO, INTEL]),
        (Wanted(devices=("CPU",)), [CPU, OPENVINO]),
        (Wanted(devices=("openvino CPU", "cuda:1")), [OPENVINO, OTHER]),
        (Wanted(("openvino",), ("GPU",)), [INTEL]),
    ],
)
def test_backends_and_devices_may_be_named(wanted: Wanted, included: list[Device]) -> None:
    assert [device for device in DEVICES if wanted.includes(device)] == included


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (Wanted(("cpu", "tpu")), "`backends` names `tpu`; this machine has cpu, openvino, torch-cuda"),
        (Wanted(devices=("cuda:7",)), "`devices` names `cuda:7`; this machine has cpu CPU, openvino CPU"),
        (Wanted(devices=("cpu GPU",)), "`devices` names `cpu GPU`"),
    ],
)
def test_what_this_machine_lacks_is_refused_by_name(wanted: Wanted, told: str) -> None:
    with pytest.raises(PreconditionError) as refused:
        wanted.refuse_unknown(DEVICES)
    error: PanopeError = refused.value
    assert error.message.startswith(told)


def test_a_backend_that_was_named_and_cannot_run_the_model_says_why() -> None:
    selection = Selection((candidate(CPU),), ("it does",), (Rejection("qnn HTP with safetensors", "it needs its own"),))
    wanted = Wanted(("cpu", "qnn", "mps"))
    told = [str(each) for each in wanted.missing(selection)]
    assert told == ["qnn HTP with safetensors: it needs its own", "mps: none of the devices that were named"]
    assert EVERYTHING.missing(selection) == []
