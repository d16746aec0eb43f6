"""Asks every backend what it can do here, as a program: `python -m panope_backends.programs.probe`.

It prints one JSON line:

    {"devices": [the fields of api.Device, ...],
     "conversions": {backend: [the fields of api.Conversion, ...]},
     "backends": {backend: {"version": of its package, "api_version": that it was written for, 0 when it failed}}}

`--supports` reads the JSON of a ModelFacts on stdin and adds "level", "support_reason" and "support_is_final" to each
device. `--backend
NAME` adds a backend that is not installed, as `package.module:Class`; it can be given several times. A backend that
fails appears as a device that is not available, with the reason.

The server never imports an engine: this process does, and its end frees what they took.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import msgspec

from panope_backends.api import Backend, Converter, Device, Level, ModelFacts, Support
from panope_backends.errors import PanopeError, kind_of
from panope_backends.memory_limit import limit_memory
from panope_backends.plugins import backend_names, backend_version, load_backend
from panope_backends.programs.report import claim_stdout
from panope_backends.tasks.registry import known_tasks


def probe(names: Sequence[str], facts: ModelFacts | None = None) -> dict[str, Any]:
    """Asks the named backends; with `facts` also how well each device runs that model."""
    devices: list[dict[str, Any]] = []
    conversions: dict[str, list[dict[str, Any]]] = {}
    backends = {name: {"version": backend_version(name), "api_version": 0} for name in names}
    for name in names:
        try:
            backend = load_backend(name)
            backends[name]["api_version"] = backend.api_version
            # Named as it was asked for, so that `package.module:Class` can be chosen again.
            found = [replace(device, backend=name) for device in backend.devices()]
            devices += [_document(backend, device, facts) for device in found]
            if isinstance(backend, Converter):
                conversions[name] = [asdict(conversion) for conversion in backend.conversions()]
        except Exception as error:  # a backend is other people's code; the others must still be heard
            traceback.print_exc()
            devices.append(asdict(Device(name, "", available=False, reason=_reason(error))))
    return {"devices": devices, "conversions": conversions, "backends": backends}


def _document(backend: Backend, device: Device, facts: ModelFacts | None) -> dict[str, Any]:
    document = asdict(device)
    if facts is not None:
        support = _undone(facts) or _unapplied(backend, facts) or backend.supports(facts, device)
        document |= {
            "level": support.level.value,
            "support_reason": support.reason,
            "support_is_final": support.is_final,
        }
    return document


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
    return f"it failed: {kind_of(error)}; the log has more"


def main(arguments: Sequence[str] | None = None) -> int:
    """Probes and reports; the exit code, which is 0 when the question was understood."""
    parser = argparse.ArgumentParser(
        prog="panope_backends.programs.probe", description="What the backends can do here."
    )
    parser.add_argument("--supports", action="store_true", help="read a ModelFacts on stdin")
    parser.add_argument("--backend", action="append", default=[], help="package.module:Class", metavar="NAME")
    options = parser.parse_args(arguments)
    limit_memory()
    report = claim_stdout()
    facts = None
    if options.supports:
        try:
            facts = msgspec.json.decode(sys.stdin.buffer.read(), type=ModelFacts)
        except msgspec.DecodeError as error:
            report({"ok": False, "reason": "invalid_input", "message": f"the facts are not understood: {error}"})
            return 1
    report(probe([*backend_names(), *options.backend], facts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
