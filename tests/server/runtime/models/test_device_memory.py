"""What models hold of memory that devices have of their own: counted as their workers measure it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import manager_doubles
import pytest
from manager_doubles import MakeRig, Rig

from panope_backends.api import Device, Level, Support
from panope_server.cli.server.instances import instance_value, where_text
from panope_server.observability.metrics import Metrics
from panope_server.runtime.hardware.probe import Probe
from panope_server.runtime.placement.constraints import LoadConstraints
from panope_server.transport.grpc.registry.model_messages import _instance_message
from panope_server.transport.rest.panope.instance_schemas import instance_json

HELD = {"gpu:0": 300 << 20, "gpu:1": 400 << 20}
FIRST = Device("holding_backends:HoldingBackend", "gpu:0", memory_bytes=1 << 30)
SECOND = replace(FIRST, name="gpu:1")
A, B = "acme/a", "acme/b"

BACKEND = f"""
from panope_backends.api import PeerMemory
from panope_backends.testing import EchoBackend


class HoldingBackend(EchoBackend):
    def device_memory_bytes(self, device):
        return {HELD}[device]

    def load(self, model, folder, device, options):
        self.peers = options.peer_devices
        return super().load(model, folder, device, options)

    def peer_memory(self):
        return [PeerMemory(1 << 40, {HELD}[peer]) for peer in self.peers]
"""


@pytest.fixture(autouse=True)
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with two, where workers find the backend."""
    (tmp_path / "holding_backends.py").write_text(BACKEND)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(manager_doubles, "ECHO", FIRST)

    async def probe(_: object) -> Probe:
        return Probe((FIRST, SECOND), {})

    monkeypatch.setattr(manager_doubles.Machine, "probe", probe)


def reserved(made: Rig) -> dict[str, int]:
    return {usage.place: usage.reserved_bytes for usage in made.manager.memory.usage() if usage.reserved_bytes}


async def test_each_device_is_counted_by_what_its_own_workers_hold(managers: MakeRig) -> None:
    made = managers()
    made.add_models(A)
    await made.manager.start()
    await made.manager.load(A, LoadConstraints(instances=2))
    assert set(reserved(made)) == {"gpu:0", "gpu:1"}
    await made.until(lambda: reserved(made) == HELD)
    assert [made.manager.device_usage(each).models_memory_bytes for each in (FIRST, SECOND)] == list(HELD.values())
    made.manager.metrics.instances.watch(made.manager.runtimes.instances)
    assert _metrics(made.manager.metrics) == {float(size) for size in HELD.values()}

    await made.manager.unload(A)
    assert reserved(made) == {}
    assert made.manager.device_usage(FIRST).models_memory_bytes is None


async def test_a_model_that_is_divided_holds_what_each_of_its_parts_does(
    managers: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def supports(*_: object) -> Mapping[tuple[str, str], Support]:
        return {(each.backend, each.name): Support(Level.FULL, "it echoes", divisor=2) for each in (FIRST, SECOND)}

    monkeypatch.setattr(manager_doubles.Machine, "supports", supports)
    made = managers()
    made.add_models(A)
    await made.manager.start()
    await made.manager.load(A, LoadConstraints(tensor_parallel=2))
    await made.until(lambda: reserved(made) == HELD)
    ((_, view),) = made.manager.runtimes.instances()
    assert view.device_memory_bytes == sum(HELD.values())
    assert view.resident_bytes > 1 << 40, "of both processes"
    assert (view.device, view.all_devices) == ("gpu:0", ("gpu:0", "gpu:1"))
    told = instance_value(A, _instance_message(view))
    assert (told["device"], told["devices"]) == ("gpu:0", ["gpu:0", "gpu:1"])
    assert where_text(_instance_message(view)).split()[1:3] == ["gpu:0", "gpu:1"]
    assert instance_json(view).devices == ("gpu:0", "gpu:1")
    assert [made.manager.device_usage(each).models_memory_bytes for each in (FIRST, SECOND)] == list(HELD.values())


async def test_what_was_measured_counts_at_the_next_load_and_for_who_makes_room(managers: MakeRig) -> None:
    made = managers(max_memory_bytes="500MiB")
    made.add_models(A, B)
    await made.manager.start()
    await made.embed(A)
    assert reserved(made)["gpu:0"] < 200 << 20, "a small model's files and a process, as long as nobody knows better"
    await made.until(lambda: reserved(made) == {"gpu:0": HELD["gpu:0"]})
    await made.embed(B)
    assert made.serving() == {B}, "both would hold 600 MiB of the 500"
    await made.embed(A)
    assert made.serving() == {A}
    assert reserved(made) == {"gpu:0": HELD["gpu:0"]}, "what it held the last time"


def _metrics(metrics: Metrics) -> set[float]:
    """Of devices' memory, by instance."""
    families = metrics.instances.collect()
    name = "panope_instance_device_memory_bytes"
    return {sample.value for family in families if family.name == name for sample in family.samples}
