"""The probe program: what each backend can do on this machine, a line before it is asked and one with its answer."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from panope_backends.api import API_VERSION, Device
from panope_backends.tasks.registry import known_tasks

PROBE = "panope_backends.programs.probe"

BACKENDS = """
from panope_backends.api import Device, Level, Support
from panope_backends.testing import EchoBackend

class PickyBackend(EchoBackend):
    name = "picky"

    def devices(self):
        return (Device(self.name, "one", "A device", 5, ("fp16", "fp32")), Device(self.name, "two"))

    def supports(self, model, device):
        level = Level.PARTIAL if device.name == "one" else Level.NONE
        return Support(level, f"{model.config['size']} on {device.name}")

class FutureBackend(EchoBackend):
    api_version = 99

class BrokenBackend(EchoBackend):
    def devices(self):
        raise RuntimeError("secret")
"""


@dataclass
class Told:
    """What the program said; `answers` by backend."""

    code: int
    last: dict[str, Any]
    answers: dict[str, dict[str, Any]]
    log: str


@pytest.fixture
def probe() -> Callable[..., Told]:
    def run(*flags: str, document: Any = None, environment: Mapping[str, str] | None = None) -> Told:
        command = [sys.executable, "-m", PROBE, *flags]
        text = json.dumps(document)
        done = subprocess.run(command, input=text, capture_output=True, text=True, env=environment, check=False)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        asked = [line["asking"] for line in lines if "asking" in line]
        answers = {line["backend"]: line for line in lines if "backend" in line}
        assert list(answers) == asked
        return Told(done.returncode, lines[-1], answers, done.stderr)

    return run


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Backends that are importable and not installed."""
    (tmp_path / "odd_backends.py").write_text(BACKENDS)
    (tmp_path / "needy_backend.py").write_text("import package_that_is_missing\n")
    return dict(os.environ) | {"PYTHONPATH": str(tmp_path)}


def devices(told: Told, backend: str) -> list[dict[str, Any]]:
    return list(told.answers[backend]["devices"])


def test_it_tells_the_installed_backends_devices_and_converters(probe: Callable[..., Told]) -> None:
    ended = probe()
    assert ended.code == 0
    for backend in ("cpu", "openvino"):
        (device,) = (Device(**found) for found in devices(ended, backend) if found["name"] == "CPU")
        assert device.available
        assert device.memory_bytes > 1 << 28
        assert "fp32" in device.precisions
        assert ended.answers[backend]["version"]
        assert ended.answers[backend]["api_version"] == API_VERSION
    (made, *_) = ended.answers["openvino"]["conversions"]
    assert (made["source_formats"], made["format"], made["precision"]) == (
        ["safetensors", "pytorch"],
        "openvino",
        "fp32",
    )
    assert made["engine_version"]
    assert made["automatic"]


def test_a_backend_that_would_pass_over_an_adapter_does_not_run_it(
    probe: Callable[..., Told], environment: dict[str, str]
) -> None:
    config = {"model_type": "llama", "size": "large"}
    facts = {"name": "a/b", "format": "safetensors", "task": "generate", "config": config, "has_adapter": True}
    ended = probe("--supports", "--backend", "odd_backends:PickyBackend", document=facts, environment=environment)
    for device in devices(ended, "odd_backends:PickyBackend"):
        assert (device["level"], device["support_reason"]) == ("none", "picky applies no adapters")
    (cpu,) = devices(ended, "cpu")
    assert cpu["level"] == "full"


def test_it_tells_how_well_each_device_runs_a_model(probe: Callable[..., Told], environment: dict[str, str]) -> None:
    facts = {"name": "a/b", "format": "safetensors", "task": "embed", "config": {"model_type": "bert", "size": "large"}}
    extra = ["--backend", "odd_backends:PickyBackend"]
    ended = probe("--supports", *extra, document=facts, environment=environment)
    (cpu,) = devices(ended, "cpu")
    assert cpu["level"] == "full"
    (openvino, *_) = devices(ended, "openvino")
    assert (openvino["level"], "converted" in openvino["support_reason"]) == ("none", True)
    one, two = devices(ended, "odd_backends:PickyBackend")
    assert (one["level"], one["support_reason"], one["precisions"]) == ("partial", "large on one", ["fp16", "fp32"])
    assert (two["level"], two["support_reason"]) == ("none", "large on two")


def test_a_model_whose_task_no_worker_does_runs_nowhere_and_no_conversion_helps(
    probe: Callable[..., Told], environment: dict[str, str]
) -> None:
    facts = {"name": "a/b", "format": "safetensors", "task": "paint", "config": {"size": "large"}}
    extra = ["--backend", "odd_backends:PickyBackend"]
    ended = probe("--supports", *extra, document=facts, environment=environment)
    names = ("level", "support_reason", "support_is_final")
    told = {tuple(device[name] for name in names) for answer in ended.answers.values() for device in answer["devices"]}
    there_are = ", ".join(known_tasks())
    assert told == {("none", f"no worker does the task `paint`; there are {there_are}", True)}


def test_a_backend_that_fails_is_a_device_that_says_why(
    probe: Callable[..., Told], environment: dict[str, str]
) -> None:
    names = [f"odd_backends:{name}Backend" for name in ("Broken", "Future")] + [
        "needy_backend:Backend",
        "nowhere:Backend",
    ]
    extra = [part for name in names for part in ("--backend", name)]
    ended = probe(*extra, environment=environment)
    found = {name: devices(ended, name)[0] for name in names}
    assert not any(device["available"] for device in found.values())
    broken, future, needy, nowhere = (device["reason"] for device in found.values())
    assert broken == "it failed: RuntimeError; the log has more"
    assert "secret" in ended.log
    assert "was written for version 99 of the backend contract" in future
    future_answer = ended.answers["odd_backends:FutureBackend"]
    assert (future_answer["version"], future_answer["api_version"]) == ("", 0)
    assert needy == "the module `package_that_is_missing` is not installed"
    assert nowhere == "there is no module `nowhere`"
    assert devices(ended, "cpu")[0]["available"], "the others are heard"


def test_facts_that_are_not_understood_are_refused(probe: Callable[..., Told]) -> None:
    ended = probe("--supports", document={"format": "onnx"})
    assert ended.code == 1
    assert ended.last["reason"] == "invalid_input"


def test_probing_imports_no_heavy_library(probe: Callable[..., Told], tmp_path: Path) -> None:
    """Each of these takes longer to import than the whole probe may take."""
    (tmp_path / "transformers/models/bert").mkdir(parents=True)  # which is how a type is known without importing
    for name in ("torch", "transformers", "onnxruntime", "openvino_telemetry"):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "__init__.py").write_text(f"raise SystemExit('{name} was imported')")
    facts = {"name": "a/b", "format": "safetensors", "task": "embed", "config": {"model_type": "bert"}}
    ended = probe("--supports", document=facts, environment=dict(os.environ) | {"PYTHONPATH": str(tmp_path)})
    assert ended.code == 0
    assert ended.last == {"ok": True}
    found = {name: devices(ended, name) for name in ended.answers.keys() - {"torch-cuda", "torch-rocm", "mps"}}
    assert all(each[0]["available"] for each in found.values() if each)
