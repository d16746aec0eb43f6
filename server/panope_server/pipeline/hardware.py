"""On what hardware a call's answer is computed: as its caller asks, of what serves; see docs/decisions/0542."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from panope_backends.api import Device
from panope_backends.errors import InvalidInputError, PanopeError, PreconditionError
from panope_registry.names import shown
from panope_server.pipeline.call import Call
from panope_server.pipeline.step import Next
from panope_server.runtime.models.computation import Computation
from panope_server.runtime.models.directory import ResolvedModel

ANY = "any"
"""At the end, for whatever serves."""

MAX_NAMES = 16
MAX_CHARACTERS = 64

#: What people call the hardware that a backend is for.
_BACKENDS = {"cuda": "torch-cuda", "rocm": "torch-rocm", "apple": "mps", "qualcomm": "qnn"}


class Computer(Protocol):
    """Knows what computes the answers of models."""

    def computation_of(self, model: ResolvedModel) -> Computation | None:
        """What computes a model's answers; None while nobody knows."""


def parse_hardware(written: str | Sequence[str], field: str) -> tuple[str, ...]:
    """The backends that a caller names, the most wanted first.

    Args:
        written: their names, or words for hardware such as `cuda`; in a text with commas between them.
        field: where they stand, for the message.

    Raises:
        InvalidInputError: too many or too long ones, an empty one, or one after `any`.
    """
    given = written.split(",") if isinstance(written, str) else written
    names = [name.strip().lower() for name in given]
    if len(names) > MAX_NAMES:
        raise InvalidInputError.at(field, "{field} has at most {most} names", most=MAX_NAMES)
    for name in names:
        if not name or len(name) > MAX_CHARACTERS:
            raise InvalidInputError.at(
                field,
                "{field} holds names of backends with commas between them, of 1 to {most} characters",
                most=MAX_CHARACTERS,
            )
    if ANY in names[:-1]:
        raise InvalidInputError.at(field, "{field} has names after `any`, which leaves nothing to them")
    return tuple(dict.fromkeys(_BACKENDS.get(name, name) for name in names))


def is_asked_for(hardware: Sequence[str], backend: str) -> bool:
    """Whether a call that asks for this may run on a backend; one that asks for nothing may on all."""
    return not hardware or ANY in hardware or backend in hardware


def refusal(call: Call, backend: str) -> PanopeError:
    """What a call is told whose model runs on a backend that it does not ask for."""
    return PreconditionError.at(
        call.hardware_field,
        "model `{model}` runs on `{backend}` here, and {field} asks for {asked}; who may load it can have it run "
        "there, or give an alias a target that does, and `any` at the end takes what there is",
        model=call.model,
        backend=backend,
        asked=" or ".join(f"`{shown(name)}`" for name in call.hardware),
        reason="hardware_unavailable",
    )


class KnownHardware:
    """The step that refuses a call which names hardware that there is not; of calls that run later it is the only one.

    Args:
        devices: that this machine has or lacks, as far as anybody has asked.
    """

    def __init__(self, devices: Callable[[], Sequence[Device]]) -> None:
        self._devices = devices

    async def __call__(self, call: Call, forward: Next) -> None:
        """Forwards the call if there is what it names."""
        self.check(call)
        await forward(call)

    def check(self, call: Call) -> None:
        """Refuses it unless there is.

        Raises:
            InvalidInputError: it names a backend that is not here.
        """
        if not call.hardware:
            return
        known = dict.fromkeys(device.backend for device in self._devices())
        for name in call.hardware:
            if known and name != ANY and name not in known:
                raise InvalidInputError.at(
                    call.hardware_field,
                    "{field} names `{name}`; the backends here are {known}",
                    name=shown(name),
                    known=", ".join(known),
                )


class Hardware:
    """The step that refuses a call whose model runs on other hardware than it asks for; it follows RouteStep.

    A call that finds its model unloaded has it loaded as any other call does, and is held to its hardware by Dispatch:
    no caller decides here where a model runs, which would be decided for all.

    Args:
        computer: knows where models run.
        known: refuses what there is not.
    """

    def __init__(self, computer: Computer, known: KnownHardware) -> None:
        self._computer = computer
        self._known = known

    async def __call__(self, call: Call, forward: Next) -> None:
        """Forwards the call if it may run where its model does."""
        if call.hardware:
            self._known.check(call)
            assert call.resolved is not None, "the step Resolve comes before"
            computation = self._computer.computation_of(call.resolved)
            if computation is not None and not is_asked_for(call.hardware, computation.backend):
                raise refusal(call, computation.backend)
        await forward(call)
