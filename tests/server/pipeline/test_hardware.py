"""A call runs on the hardware that it asks for, or is told where its model runs; nothing is loaded for it."""

from __future__ import annotations

from typing import Any

import pytest

from panope_backends.api import Device
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_server.pipeline.dispatch import Dispatch
from panope_server.pipeline.hardware import Hardware, KnownHardware, parse_hardware
from panope_server.pipeline.step import Pipeline
from panope_server.runtime.models.computation import Computation

DEVICES = (Device("cpu", "CPU"), Device("openvino", "CPU"), Device("torch-cuda", "cuda", available=False))


class Computer:
    """A model that runs on one backend, or is not loaded."""

    def __init__(self, backend: str) -> None:
        self._computation = Computation("00", "safetensors", "fp32", backend, "CPU", "fp32") if backend else None

    def computation_of(self, _: object) -> Computation | None:
        return self._computation


async def passes(call: Any, backend: str, *asked: str, devices: tuple[Device, ...] = DEVICES) -> bool:
    passed = []

    async def forward(forwarded: Any) -> None:
        passed.append(forwarded)

    call.hardware = asked
    await Hardware(Computer(backend), KnownHardware(lambda: devices))(call, forward)
    return passed == [call]


@pytest.mark.parametrize("asked", [(), ("openvino",), ("cpu", "openvino"), ("torch-cuda", "any"), ("any",)])
async def test_a_call_may_run_where_its_model_serves(call: Any, resolved: Any, asked: tuple[str, ...]) -> None:
    made = call()
    made.resolved = resolved()
    assert await passes(made, "openvino", *asked)


async def test_a_call_that_asks_for_other_hardware_is_told_where_its_model_runs(call: Any, resolved: Any) -> None:
    made = call()
    made.resolved = resolved()
    with pytest.raises(PreconditionError) as refused:
        await passes(made, "openvino", "torch-cuda", "cpu")
    error = refused.value
    assert (error.reason, error.field) == ("hardware_unavailable", "x-panope-hardware")
    assert error.message.startswith(
        "model `acme/tiny` runs on `openvino` here, and `x-panope-hardware` asks for `torch-cuda` or `cpu`"
    )


async def test_who_asks_in_the_body_is_told_of_its_field(call: Any, resolved: Any) -> None:
    made = call()
    made.resolved, made.hardware_field = resolved(), "hardware"
    for asked in ("torch-cuda", "tpu"):
        with pytest.raises((PreconditionError, InvalidInputError)) as refused:
            await passes(made, "openvino", asked)
        assert refused.value.field == "hardware"
        assert "`hardware`" in refused.value.message


async def test_a_backend_that_the_machine_does_not_know_is_refused_by_name(call: Any, resolved: Any) -> None:
    made = call()
    made.resolved = resolved()
    with pytest.raises(InvalidInputError, match="names `tpu`; the backends here are cpu, openvino, torch-cuda"):
        await passes(made, "openvino", "tpu", "any")
    assert await passes(made, "", "tpu", devices=()), "nobody has asked yet what there is"


async def test_a_model_that_is_not_loaded_is_loaded_as_ever_and_its_answer_held_back(call: Any, resolved: Any) -> None:
    made = call()
    made.resolved = resolved()
    assert await passes(made, "", "cpu")

    class Runner:
        """Loads the model where the settings say, and runs the call there."""

        def facts_of(self, _: object) -> object:
            return None

        async def run(self, _: object, __: object, ___: object, placement: Any, put: Any) -> None:
            placement.backend = "openvino"
            await put(b"")

    with pytest.raises(PreconditionError, match="runs on `openvino` here"):
        await Pipeline([], Dispatch(Runner())).run(made)
    assert made.output.parts == []


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("cpu", ("cpu",)),
        (" CUDA , rocm,apple,qualcomm ,any", ("torch-cuda", "torch-rocm", "mps", "qnn", "any")),
        (["openvino", "cpu", "openvino"], ("openvino", "cpu")),
    ],
)
def test_it_is_written_by_backends_or_by_words_for_hardware(written: Any, meant: tuple[str, ...]) -> None:
    assert parse_hardware(written, "hardware") == meant


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("cpu,,any", "`hardware` holds names of backends with commas between them, of 1 to 64 characters"),
        (["x" * 65], "`hardware` holds names of backends"),
        (["cpu"] * 17, "`hardware` has at most 16 names"),
        ("any,cpu", "`hardware` has names after `any`"),
    ],
)
def test_what_says_nothing_is_refused(written: Any, told: str) -> None:
    with pytest.raises(InvalidInputError, match=told):
        parse_hardware(written, "hardware")
