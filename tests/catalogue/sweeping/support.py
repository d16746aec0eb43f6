"""What each backend says of a class for a task, from its configuration alone; no model is made."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from panope_backends.api import Backend, Converter, Device, Level, ModelFacts
from panope_backends.plugins import GROUP, load_backend
from panope_backends.testing.architectures import Entry, tiny_config

#: It runs what servers elsewhere run, whatever that is.
_ELSEWHERE = frozenset({"remote"})


@cache
def backends() -> dict[str, tuple[Backend, Device]]:
    """Those that are installed, each with its first device, as if this machine had it."""
    found = {}
    for name in sorted({claim.name for claim in entry_points(group=GROUP)} - _ELSEWHERE):
        backend = load_backend(name)
        if devices := backend.devices():
            found[name] = (backend, replace(devices[0], available=True, reason=""))
    return found


def supports(entry: Entry, task: str) -> dict[str, list[str]]:
    """By the name of a backend: `full`, `partial` or `none`, and why not wholly."""
    config = config_of(entry)
    facts = ModelFacts("test/tiny", "safetensors", task, entry.class_name, config)
    return {name: _said(*found, facts) for name, found in backends().items()}


def said_by(name: str, facts: ModelFacts) -> list[str]:
    """What one backend says of a model."""
    return _said(*backends()[name], facts)


def config_of(entry: Entry) -> dict[str, Any]:
    """As a folder of it has it in config.json; where the type's own checks raise, its names alone."""
    named = {"model_type": entry.model_type, "architectures": [entry.class_name]}
    return {**_config(entry.model_type), **named}


@cache
def _config(model_type: str) -> dict[str, Any]:
    try:
        made: dict[str, Any] = json.loads(tiny_config(model_type).to_json_string(use_diff=False))
    except Exception:  # of whatever kind
        return {}
    return made


def _said(backend: Backend, device: Device, facts: ModelFacts) -> list[str]:
    """Of the weights, or of what the backend makes of them unasked."""
    said = backend.supports(facts, device)
    if said.level is Level.NONE and not said.is_final and isinstance(backend, Converter):
        made = next((each for each in backend.conversions() if each.automatic and each.reads(facts.format)), None)
        if made is not None:
            said = backend.supports(replace(facts, format=made.format), device)
    return [said.level.name.lower()] if said.level is Level.FULL else [said.level.name.lower(), said.reason]
