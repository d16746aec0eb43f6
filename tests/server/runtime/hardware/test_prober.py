"""Backends are asked in processes that any of them may hang or end: the others are heard, and it says which and why."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from panope_server.runtime.hardware.prober import Answers, Prober

BACKENDS = {
    "hangs": "import subprocess\nsubprocess.run(['sleep', '600'])",
    "dies": "import os\nos.abort()",
    "leaves": "raise SystemExit(3)",
    "raises": "raise RuntimeError('a secret')",
    "lacks": "import package_that_is_missing",
    "eats": "bytearray(1 << 40)",
    "misdescribes": """
from panope_backends.api import Device
from panope_backends.testing import EchoBackend
class Backend(EchoBackend):
    def devices(self):
        return (Device("misdescribes", "one", memory_bytes="much"),)
""",
    "hangs_over_models": """
import time
from panope_backends.testing import EchoBackend
class Backend(EchoBackend):
    def supports(self, model, device):
        time.sleep(600)
""",
}

#: The backend, and what is said of it.
REASONS = {
    "hangs": "it did not say which devices there are within 8 seconds",
    "dies": "looking for its devices ended the process: killed by signal 6",
    "leaves": "looking for its devices ended the process: exit code 3",
    "raises": "it failed: RuntimeError; the log has more",
    "lacks": "the module `package_that_is_missing` is not installed",
    "eats": "it needs more memory than a backend may take to look for devices",
    "misdescribes": "it describes a device in a way that is not understood; the log has the cause",
}

FACTS = {"name": "a/b", "format": "safetensors", "config": {}}


@pytest.fixture
def asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Prober]:
    """A prober of Panope's own backends and of some that misbehave."""
    for name, text in BACKENDS.items():
        (tmp_path / f"{name}_backend.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def prober(*names: str, **options: object) -> Prober:
        backends = [f"{name}_backend:Backend" for name in names]
        return Prober(backends, timeout_seconds=8.0, **options)  # type: ignore[arg-type]

    return prober


def reasons(answers: Answers) -> dict[str, str]:
    """Why each device of the backends from here is not available."""
    return {
        device["backend"].removesuffix("_backend:Backend"): device["reason"]
        for device in answers.devices
        if "_backend:" in device["backend"] and not device["available"]
    }


def test_a_backend_that_misbehaves_is_told_with_the_reason_and_the_others_are_heard(
    asks: Callable[..., Prober],
) -> None:
    answers = asyncio.run(asks(*REASONS).ask())
    assert reasons(answers) == REASONS
    assert any(device["backend"] == "cpu" and device["available"] for device in answers.devices)
    assert {name.removesuffix("_backend:Backend") for name in answers.failed} == {"hangs", "dies", "leaves"}


def test_a_backend_that_hangs_over_a_model_does_not_keep_the_others_from_it(asks: Callable[..., Prober]) -> None:
    answers = asyncio.run(asks("hangs_over_models").ask(FACTS))
    assert "hangs_over_models" in reasons(answers)
    assert all("level" in device for device in answers.devices if device["backend"] == "cpu")


def test_one_that_is_known_to_hang_is_not_asked_again(asks: Callable[..., Prober]) -> None:
    answers = asyncio.run(asks("dies").ask(FACTS, {"dies_backend:Backend": "it died before"}))
    assert reasons(answers) == {"dies": "it died before"}


def test_a_backend_is_asked_in_the_interpreter_that_the_settings_name(
    asks: Callable[..., Prober], tmp_path: Path
) -> None:
    """Another interpreter is the same one behind a script, which says so."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexport PYTHONPATH={tmp_path}/there\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    (tmp_path / "there").mkdir()
    (tmp_path / "there/far_backend.py").write_text(
        "from panope_backends.testing import EchoBackend\nclass Backend(EchoBackend): pass\n"
    )
    interpreters = {
        "far_backend:Backend": str(python),
        "gguf": shutil.which("false") or "/bin/false",
        "remote": "/nowhere/python",
    }
    answers = asyncio.run(asks(interpreters=interpreters).ask())
    by_name = {device["backend"]: device for device in answers.devices}
    assert by_name["far_backend:Backend"]["available"]
    assert by_name["cpu"]["available"]
    why = "the interpreter that `hardware.python` names for it cannot run Panope's probe"
    assert (by_name["gguf"]["reason"], by_name["remote"]["reason"]) == (why, why)
