"""Why there is no NPU, and what would help, on machines that are made up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from panope_backends.api import LoadOptions, ModelFacts
from panope_backends.engines.qnn import backend as engine
from panope_backends.engines.qnn.backend import QnnBackend
from panope_backends.engines.qnn.library import Here
from panope_backends.errors import PreconditionError


@pytest.fixture
def here(tmp_path: Path) -> Here:
    """A machine with all that is needed."""
    for name in ("libplug.so", "libQnnHtp.so"):
        (tmp_path / name).touch()
    package = SimpleNamespace(
        get_library_path=lambda: str(tmp_path / "libplug.so"),
        get_qnn_htp_path=lambda: str(tmp_path / "libQnnHtp.so"),
    )
    return Here("linux", "x86_64", {}, package)


def test_on_a_processor_of_intel_or_amd_it_is_an_emulator(here: Here) -> None:
    (device,) = QnnBackend(here).devices()
    assert (device.name, device.available, device.is_emulated) == ("HTP", True, True)
    assert "a program stands in for the NPU" in device.reason


def lacks(name: str) -> Any:
    def change(here: Here, folder: Path) -> Here:
        (folder / name).unlink()
        return here

    return change


CASES = [
    (lambda here, _: replace(here, system="darwin", machine="arm64"), "is not run on darwin arm64", ""),
    (lambda here, _: replace(here, package=None), "`onnxruntime_qnn` is not installed", "panope-serving[qnn]"),
    (lacks("libplug.so"), "lacks its plug-in for ONNX Runtime", "anew"),
    (lacks("libQnnHtp.so"), "lacks QNN's library for the NPU", "anew"),
    *(
        (lambda here, _, root=root: replace(here, environment={"QNN_SDK_ROOT": root}), "no folder that has", "unset")
        for root in ("/nowhere", " ", "-1", "x" * 5000, "/dev/null", "/proc/1/root")
    ),
]


@pytest.mark.parametrize(("change", "reason", "advice"), CASES)
def test_it_says_what_is_missing_and_what_helps(
    here: Here, tmp_path: Path, change: Any, reason: str, advice: str
) -> None:
    backend = QnnBackend(change(here, tmp_path))
    (device,) = backend.devices()
    assert not device.available
    assert reason in device.reason
    assert advice in device.advice
    with pytest.raises(PreconditionError, match=reason.split(" for ")[0]):
        backend.load(ModelFacts("a/b", "qnn"), tmp_path, "HTP", LoadOptions())


def test_the_libraries_of_an_sdk_come_before_the_packages(here: Here, tmp_path: Path) -> None:
    library = tmp_path / "sdk/lib/x86_64-linux-clang/libQnnHtp.so"
    library.parent.mkdir(parents=True)
    library.touch()
    there = replace(here, environment={"QNN_SDK_ROOT": str(tmp_path / "sdk")})
    assert there.htp == library
    assert QnnBackend(there).devices()[0].available


@pytest.mark.parametrize("has_npu", [True, False])
def test_on_a_snapdragon_the_plug_in_tells_of_the_npu(
    here: Here, monkeypatch: pytest.MonkeyPatch, has_npu: bool
) -> None:
    kind = SimpleNamespace(name="NPU" if has_npu else "CPU")
    found = SimpleNamespace(device=SimpleNamespace(type=kind, metadata={"Description": "Hexagon"}))
    monkeypatch.setattr(engine, "registered", object)
    monkeypatch.setattr(engine, "provider_devices", lambda _: [found])
    (device,) = QnnBackend(replace(here, machine="aarch64")).devices()
    assert device.available is has_npu
    assert device.is_emulated is False
    assert ("Hexagon" in device.description) if has_npu else ("finds no NPU" in device.reason)
