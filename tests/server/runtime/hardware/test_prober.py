"""Backends are asked in processes that any of them may hang or end: the others are heard, and it says which and why."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from panope_backends.api import Device, ModelFacts, Support
from panope_backends.programs.probe import MisdescribedSupportError, _apart, _document
from panope_backends.testing import EchoBackend
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
    "says_one_name_twice": """
from panope_backends.api import Device
from panope_backends.testing import EchoBackend
class Backend(EchoBackend):
    def devices(self):
        return [Device("x", "GPU"), Device("x", "GPU")]
""",
    "has_an_odd_name": """
from panope_backends.api import Device
from panope_backends.testing import EchoBackend
class Backend(EchoBackend):
    def devices(self):
        return [Device("x", "GPU\\n=1")]
""",
    "has_less_than_nothing": """
from panope_backends.api import Device
from panope_backends.testing import EchoBackend
class Backend(EchoBackend):
    def devices(self):
        return [Device("x", "GPU", memory_bytes=-1)]
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
    "says_one_name_twice": "it describes a device in a way that is not understood; the log has the cause",
    "has_an_odd_name": "it describes a device in a way that is not understood; the log has the cause",
    "has_less_than_nothing": "it describes a device in a way that is not understood; the log has the cause",
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


def test_the_cause_of_what_failed_is_in_the_log(asks: Callable[..., Prober]) -> None:
    with capture_logs() as logged:
        asyncio.run(asks("raises").ask())
    (told,) = [each for each in logged if each["event"] == "probe_output"]
    assert "raises_backend.py" in told["output"]
    assert "secret" in told["output"]


def test_a_backend_that_hangs_over_a_model_does_not_keep_the_others_from_it(asks: Callable[..., Prober]) -> None:
    answers = asyncio.run(asks("hangs_over_models").ask(FACTS))
    assert "hangs_over_models" in reasons(answers)
    assert all("level" in device for device in answers.devices if device["backend"] == "cpu")


@pytest.mark.parametrize("told", ["divisor=0", "divisor='many'", "level='great'", "reason=None", "is_final=3"])
def test_what_a_backend_says_of_a_model_is_held_to_the_contract(told: str) -> None:
    class Lying(EchoBackend):
        def supports(self, model: ModelFacts, device: Device) -> Support:
            return replace(super().supports(model, device), **eval(f"dict({told})"))

    with pytest.raises(MisdescribedSupportError):
        _document(Lying(), Device("x", "CPU"), ModelFacts("a/b", "safetensors"))


def test_parts_of_one_card_have_no_address_of_their_own() -> None:
    card = Device("x", "GPU:0", pci_address="0000:01:00.0")
    parts = _apart([card, replace(card, name="GPU:1"), replace(card, name="GPU:2", pci_address="0000:02:00.0")])
    assert [part.pci_address for part in parts] == ["", "", "0000:02:00.0"]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("echo welcome; echo 3; echo []", "the interpreter that `hardware.python` names for it cannot run"),
        ("""echo hello; echo '{"asking": "far"}'; echo '{"backend": "far"}'""", "it is of another version"),
    ],
)
def test_an_interpreter_with_a_word_of_its_own_keeps_no_other_backend(tmp_path: Path, said: str, reason: str) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{said}\n")
    python.chmod(0o755)
    answers = Answers()
    asyncio.run(Prober()._ask_elsewhere(answers, "far", str(python), None))
    (device,) = answers.devices
    assert reason in device["reason"]


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
    why = "the interpreter that `hardware.python` names for it cannot run Panope"
    assert (by_name["gguf"]["reason"], by_name["remote"]["reason"]) == (why, why)
    assert by_name["remote"]["advice"] == "name a Python that is there, and install Panope in it"
