"""Asks every backend what it can do here, as a program: `python -m panope_backends.programs.probe`.

It prints a JSON line before it asks a backend and one with the answer, so that whoever started it knows which backend
hangs or ends the process, and can start it again without that one:

    {"asking": backend}
    {"backend": backend, "version": of its package, "api_version": that it was written for, 0 when it failed,
     "devices": [the fields of api.Device, ...], "conversions": [the fields of api.Conversion, ...] or null}
    {"ok": true}

`--supports` reads the JSON of a ModelFacts on stdin and adds "level", "support_reason", "support_is_final", "divisor"
and "undivided" to each device. `--backend NAME` adds a backend that is not installed, as `package.module:Class`,
`--only NAME` asks no others and `--skip NAME` leaves one out; each can be given several times. A backend that fails
appears as a device that is not available, with the reason.

The server never imports an engine: this process does, and its end frees what they took.
"""

from __future__ import annotations

import argparse
import re
import sys
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

import msgspec

from panope_backends.api import Backend, Converter, Device, Level, ModelFacts, Support
from panope_backends.errors import PanopeError, kind_of
from panope_backends.isolation.memory_limit import is_out_of_memory, limit_memory
from panope_backends.plugins import backend_names, backend_version, load_backend
from panope_backends.programs.report import claim_stdout_stream
from panope_backends.tasks.registry import known_tasks

#: Of devices: a word, for settings name a device by its backend and it.
_NAME = re.compile(r"[^\s=\x00-\x1f\x7f]{1,64}")


def probe(names: Sequence[str], facts: ModelFacts | None = None) -> Iterator[dict[str, Any]]:
    """Asks the named backends and yields the lines; with `facts` also how well each device runs that model."""
    for name in names:
        yield {"asking": name}
        yield _answer(name, facts)


def _answer(name: str, facts: ModelFacts | None) -> dict[str, Any]:
    answer: dict[str, Any] = {"backend": name, "version": backend_version(name), "api_version": 0, "conversions": None}
    try:
        backend = load_backend(name)
        answer["api_version"] = backend.api_version
        devices = _apart([_checked(name, device) for device in backend.devices()])
        answer["devices"] = [_document(backend, device, facts) for device in devices]
        if isinstance(backend, Converter):
            answer["conversions"] = [asdict(conversion) for conversion in backend.conversions()]
        msgspec.json.encode(answer)
    except Exception as error:  # a backend is other people's code; the others must still be heard
        traceback.print_exc()
        failed = asdict(Device(name, "", available=False, reason=_reason(error)))
        return answer | {"devices": [failed], "conversions": None}
    return answer


def _checked(name: str, device: Device) -> Device:
    """A device whose fields are of their types; named as its backend was asked for, to be chosen by that name again."""
    try:
        document = asdict(replace(device, backend=name))
        checked = msgspec.convert(msgspec.to_builtins(document), Device)
    except (TypeError, msgspec.ValidationError) as error:
        raise _MisdescribedDeviceError from error
    is_usable = _NAME.fullmatch(checked.name) and checked.precisions and checked.memory_bytes >= 0
    if checked.available and not is_usable:
        raise _MisdescribedDeviceError
    return checked


def _apart(devices: Sequence[Device]) -> Sequence[Device]:
    """Devices of one backend, told apart by their names; parts of one card have no address of their own."""
    if len({device.name for device in devices}) < len(devices):
        raise _MisdescribedDeviceError
    shared = Counter(device.pci_address for device in devices)
    return [replace(each, pci_address="") if shared[each.pci_address] > 1 else each for each in devices]


class _MisdescribedDeviceError(Exception):
    """What a backend calls a device is none."""


class MisdescribedSupportError(Exception):
    """What a backend says of a model is not in the contract's words."""


def _document(backend: Backend, device: Device, facts: ModelFacts | None) -> dict[str, Any]:
    document = asdict(device)
    if facts is not None:
        support = _undone(facts) or _unapplied(backend, facts) or _believed(backend.supports(facts, device))
        document |= {
            "level": support.level.value,
            "support_reason": support.reason,
            "support_is_final": support.is_final,
            "divisor": support.divisor,
            "undivided": support.undivided,
        }
    return document


def _believed(support: Support) -> Support:
    """What a backend says of a model, if it is in the contract's words."""
    try:
        checked = msgspec.convert(msgspec.to_builtins(asdict(support)), Support)
    except (TypeError, msgspec.ValidationError) as error:
        raise MisdescribedSupportError from error
    if checked.divisor < 1:
        raise MisdescribedSupportError
    return checked


def _undone(facts: ModelFacts) -> Support | None:
    """What to answer for a model whose task no worker does, whatever runs its tensors; None for another."""
    known = known_tasks()
    if not facts.task or facts.task in known:
        return None
    return Support(Level.NONE, f"no worker does the task `{facts.task}`; there are {', '.join(known)}", is_final=True)


def _unapplied(backend: Backend, facts: ModelFacts) -> Support | None:
    """What to answer for a model with an adapter that the backend would pass over; None for another."""
    if backend.applies_adapters or not facts.has_adapter:
        return None
    return Support(Level.NONE, f"{backend.name} applies no adapters")


def _reason(error: Exception) -> str:
    if isinstance(error, PanopeError):
        return error.message
    if isinstance(error, _MisdescribedDeviceError):
        return "it describes a device in a way that is not understood; the log has the cause"
    if isinstance(error, MisdescribedSupportError):
        return "it says how well it runs a model in a way that is not understood; the log has the cause"
    if is_out_of_memory(error):
        return "it needs more memory than a backend may take to look for devices"
    if isinstance(error, ModuleNotFoundError):
        return kind_of(error)
    return f"it failed: {kind_of(error)}; the log has more"


def main(arguments: Sequence[str] | None = None) -> int:
    """Probes and reports; the exit code, which is 0 when the question was understood."""
    parser = argparse.ArgumentParser(
        prog="panope_backends.programs.probe", description="What the backends can do here."
    )
    parser.add_argument("--supports", action="store_true", help="read a ModelFacts on stdin")
    parser.add_argument("--backend", action="append", default=[], help="package.module:Class", metavar="NAME")
    parser.add_argument("--only", action="append", default=[], help="ask no others", metavar="NAME")
    parser.add_argument("--skip", action="append", default=[], help="leave one out", metavar="NAME")
    options = parser.parse_args(arguments)
    limit_memory()
    stdout = claim_stdout_stream()

    def report(document: object) -> None:
        stdout.write(msgspec.json.encode(document) + b"\n")
        stdout.flush()

    facts = None
    if options.supports:
        try:
            facts = msgspec.json.decode(sys.stdin.buffer.read(), type=ModelFacts)
        except msgspec.DecodeError as error:
            report({"ok": False, "reason": "invalid_input", "message": f"the facts are not understood: {error}"})
            return 1
    names = options.only or [*backend_names(), *options.backend]
    for line in probe([name for name in names if name not in options.skip], facts):
        report(line)
    report({"ok": True})
    return 0


if __name__ == "__main__":
    sys.exit(main())
