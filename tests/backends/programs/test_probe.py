"""The probe program: what the backends can do on this machine, in one line."""

import os
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


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Backends that are importable and not installed."""
    (tmp_path / "odd_backends.py").write_text(BACKENDS)
    (tmp_path / "needy_backend.py").write_text("import package_that_is_missing\n")
    return dict(os.environ) | {"PYTHONPATH": str(tmp_path)}


def devices(report: dict[str, Any], backend: str) -> list[dict[str, Any]]:
    return [device for device in report["devices"] if device["backend"] == backend]


def test_it_tells_the_installed_backends_devices_and_converters(run_program: Any) -> None:
    ended = run_program(PROBE)
    assert ended.code == 0
    for backend in ("cpu", "openvino"):
        (device,) = (Device(**found) for found in devices(ended.report, backend) if found["name"] == "CPU")
        assert device.available
        assert device.memory_bytes > 1 << 28
        assert "fp32" in device.precisions
        assert ended.report["backends"][backend]["version"]
        assert ended.report["backends"][backend]["api_version"] == API_VERSION
    (made, *_) = ended.report["conversions"]["openvino"]
    assert (made["source_formats"], made["format"], made["precision"]) == (
        ["safetensors", "pytorch"],
        "openvino",
        "fp32",
    )
    assert made["engine_version"]
    assert made["automatic"]


def test_a_backend_that_would_pass_over_an_adapter_does_not_run_it(
    run_program: Any, environment: dict[str, str]
) -> None:
    config = {"model_type": "llama", "size": "large"}
    facts = {"name": "a/b", "format": "safetensors", "task": "generate", "config": config, "has_adapter": True}
    ended = run_program(
        PROBE, "--supports", "--backend", "odd_backends:PickyBackend", document=facts, environment=environment
    )
    for device in devices(ended.report, "odd_backends:PickyBackend"):
        assert (device["level"], device["support_reason"]) == ("none", "picky applies no adapters")
    (cpu,) = devices(ended.report, "cpu")
    assert cpu["level"] == "full"


def test_it_tells_how_well_each_device_runs_a_model(run_program: Any, environment: dict[str, str]) -> None:
    facts = {"name": "a/b", "format": "safetensors", "task": "embed", "config": {"model_type": "bert", "size": "large"}}
    extra = ["--backend", "odd_backends:PickyBackend"]
    ended = run_program(PROBE, "--supports", *extra, document=facts, environment=environment)
    (cpu,) = devices(ended.report, "cpu")
    assert cpu["level"] == "full"
    (openvino, *_) = devices(ended.report, "openvino")
    assert (openvino["level"], "converted" in openvino["support_reason"]) == ("none", True)
    one, two = devices(ended.report, "odd_backends:PickyBackend")
    assert (one["level"], one["support_reason"], one["precisions"]) == ("partial", "large on one", ["fp16", "fp32"])
    assert (two["level"], two["support_reason"]) == ("none", "large on two")


def test_a_model_whose_task_no_worker_does_runs_nowhere_and_no_conversion_helps(
    run_program: Any, environment: dict[str, str]
) -> None:
    facts = {"name": "a/b", "format": "safetensors", "task": "paint", "config": {"size": "large"}}
    extra = ["--backend", "odd_backends:PickyBackend"]
    ended = run_program(PROBE, "--supports", *extra, document=facts, environment=environment)
    names = ("level", "support_reason", "support_is_final")
    told = {tuple(device[name] for name in names) for device in ended.report["devices"]}
    there_are = ", ".join(known_tasks())
    assert told == {("none", f"no worker does the task `paint`; there are {there_are}", True)}


def test_a_backend_that_fails_is_a_device_that_says_why(run_program: Any, environment: dict[str, str]) -> None:
    names = [f"odd_backends:{name}Backend" for name in ("Broken", "Future")] + [
        "needy_backend:Backend",
        "nowhere:Backend",
    ]
    extra = [part for name in names for part in ("--backend", name)]
    ended = run_program(PROBE, *extra, environment=environment)
    found = {name: devices(ended.report, name)[0] for name in names}
    assert not any(device["available"] for device in found.values())
    broken, future, needy, nowhere = (device["reason"] for device in found.values())
    assert broken == "it failed: RuntimeError; the log has more"
    assert "secret" in ended.log
    assert "was written for version 99 of the backend contract" in future
    assert ended.report["backends"]["odd_backends:FutureBackend"] == {"version": "", "api_version": 0}
    assert needy == "the module `package_that_is_missing` is not installed"
    assert nowhere == "there is no module `nowhere`"
    assert devices(ended.report, "cpu")[0]["available"], "the others are heard"


def test_facts_that_are_not_understood_are_refused(run_program: Any) -> None:
    ended = run_program(PROBE, "--supports", document={"format": "onnx"})
    assert ended.code == 1
    assert ended.report["reason"] == "invalid_input"


def test_probing_imports_no_heavy_library(run_program: Any, tmp_path: Path) -> None:
    """Each of these takes longer to import than the whole probe may take."""
    (tmp_path / "transformers/models/bert").mkdir(parents=True)  # which is how a type is known without importing
    for name in ("torch", "transformers", "onnxruntime", "openvino_telemetry"):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "__init__.py").write_text(f"raise SystemExit('{name} was imported')")
    facts = {"name": "a/b", "format": "safetensors", "task": "embed", "config": {"model_type": "bert"}}
    ended = run_program(
        PROBE, "--supports", document=facts, environment=dict(os.environ) | {"PYTHONPATH": str(tmp_path)}
    )
    assert ended.code == 0
    assert all(device["available"] for device in ended.report["devices"])
