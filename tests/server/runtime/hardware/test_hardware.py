"""What backends said of the machine is kept until something changes, and the settings have the last word."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from panope_backends.api import Device, Level, ModelFacts
from panope_server.cli.machine.doctor import _devices
from panope_server.config.sections.hardware import HardwareSettings
from panope_server.runtime.hardware import hardware as module
from panope_server.runtime.hardware.hardware import Hardware
from panope_server.runtime.hardware.machine_key import machine_key
from panope_server.runtime.hardware.overrides import Overrides
from panope_server.runtime.hardware.prober import Answers, Prober

CUDA = Device("torch-cuda", "cuda:0", "A card", 24 << 30, ("bf16", "fp32"), driver_version="580", pci_address="0000:01")
CPU = Device("cpu", "CPU", "A processor", 64 << 30)
FACTS = ModelFacts("a/b", "safetensors", config={})


class CountingProber(Prober):
    """Answers from memory, and counts how often it is asked."""

    def __init__(self, failed: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.questions: list[tuple[bool, Mapping[str, str]]] = []
        self._has_failed = failed or {}

    async def ask(self, facts: Mapping[str, Any] | None = None, failed: Mapping[str, str] | None = None) -> Answers:
        self.questions.append((facts is not None, dict(failed or {})))
        level = {} if facts is None else {"level": "full", "support_reason": "it runs all", "support_is_final": False}
        answers = Answers()
        for device in (CUDA, CPU):
            document = asdict(device) | level
            line = {"backend": device.backend, "version": "1", "api_version": 1, "conversions": None}
            answers.add(line | {"devices": [document | {"precisions": list(device.precisions)}]})
        for name, why in self._has_failed.items():
            answers.fail(name, why)
        return answers


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "hardware.json"


def ask(hardware: Hardware, **options: bool) -> list[Device]:
    return list(asyncio.run(hardware.probe(**options)).devices)


def test_answers_are_kept_for_later_programs_until_somebody_asks_anew(file: Path) -> None:
    first, second = CountingProber(), CountingProber()
    assert ask(Hardware(file, first)) == [CUDA, CPU]
    later = Hardware(file, second)
    assert ask(later) == [CUDA, CPU]
    assert later.kept_devices() == (CUDA, CPU)
    assert len(second.questions) == 0
    ask(later, refresh=True)
    assert len(second.questions) == 1
    assert len(first.questions) == 1


def test_each_question_about_a_model_is_asked_once(file: Path) -> None:
    prober = CountingProber()
    hardware = Hardware(file, prober)
    for _ in range(2):
        supports = asyncio.run(hardware.supports(FACTS))
    assert supports["torch-cuda", "cuda:0"].level is Level.FULL
    assert len(prober.questions) == 1


def test_a_variable_that_hides_devices_has_them_asked_again(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prober = CountingProber()
    ask(Hardware(file, prober))
    for variable in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "OV_DEVICE", "QNN_SDK_ROOT"):
        monkeypatch.setenv(variable, "1")
        ask(Hardware(file, prober))
    assert len(prober.questions) == 5


def test_a_driver_that_comes_or_may_be_opened_has_them_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {machine_key([], tmp_path)}
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvidia0").touch()
    keys.add(machine_key([], tmp_path))
    monkeypatch.setattr("os.access", lambda *_: False)
    keys.add(machine_key([], tmp_path))
    (tmp_path / "proc/driver/nvidia").mkdir(parents=True)
    (tmp_path / "proc/driver/nvidia/version").write_text("580.95")
    keys.add(machine_key([], tmp_path))
    assert len(keys) == 4


def test_a_container_with_another_limit_of_memory_has_them_asked_again(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prober = CountingProber()
    for limit in (64 << 30, (64 << 30) + 4096, 4 << 30):
        monkeypatch.setattr("panope_server.runtime.hardware.machine_key.memory_bytes", lambda limit=limit: limit)
        ask(Hardware(file, prober))
    assert len(prober.questions) == 2


def test_what_a_backend_that_hangs_said_is_believed_for_a_while_and_it_is_not_asked_about_models(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prober = CountingProber(failed={"odd": "it hangs"})
    hardware = Hardware(file, prober)
    assert ask(hardware)[-1] == Device("odd", "", available=False, reason="it hangs")
    asyncio.run(hardware.supports(FACTS))
    assert prober.questions == [(False, {}), (True, {"odd": "it hangs"})]
    ask(Hardware(file, prober))
    assert len(prober.questions) == 2
    now = module.time.time()
    monkeypatch.setattr(module.time, "time", lambda: now + 601)
    ask(Hardware(file, prober))
    assert len(prober.questions) == 3


@pytest.mark.parametrize(
    "kept",
    [
        "",
        "null",
        "[]",
        '{"key": "KEY"}',
        '{"key": "KEY", "answers": []}',
        '{"key": "KEY", "answers": {"probe": {}}}',
        '{"key": "KEY", "answers": {"probe": {"devices": [{"name": 1}], "conversions": {}, "backends": {}}}}',
        '{"key": "KEY", "answers": {}, "until": "tomorrow"}',
    ],
)
def test_what_was_kept_in_no_form_of_ours_is_asked_anew(file: Path, kept: str) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(kept.replace("KEY", machine_key([])))
    assert Hardware(file, CountingProber()).kept_devices() == ()
    prober = CountingProber()
    assert ask(Hardware(file, prober))
    assert len(prober.questions) == 1


def test_answers_that_cannot_be_kept_are_told_all_the_same(file: Path) -> None:
    file.mkdir(parents=True)
    (file / "something").touch()
    assert ask(Hardware(file, CountingProber()))
    assert [each.name for each in file.parent.iterdir()] == [file.name], "nothing else is left there"


def test_answers_are_told_where_nothing_may_be_written_nor_removed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "the file system is read-only")

    file.parent.mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(Path, "write_bytes", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)  # also of what is not there
    assert ask(Hardware(file, CountingProber()))


OVERRIDES: list[tuple[dict[str, tuple[str, ...]], Callable[[Device, Device], bool]]] = [
    ({"disabled": ("torch-cuda",)}, lambda cuda, cpu: not cuda.available and cpu.available),
    ({"disabled": ("torch-cuda cuda:0",)}, lambda cuda, _: cuda.reason == "the setting `hardware.disabled` names it"),
    ({"disabled": ("torch-cuda cuda:1",)}, lambda cuda, _: cuda.available),
    ({"memory": ("torch-cuda=8GiB",)}, lambda cuda, cpu: (cuda.memory_bytes, cpu.memory_bytes) == (8 << 30, 64 << 30)),
    ({"memory": ("torch-cuda cuda:0=80GiB",)}, lambda cuda, _: cuda.memory_bytes == 24 << 30),
]


@pytest.mark.parametrize(("settings", "holds"), OVERRIDES)
def test_the_settings_have_the_last_word_and_nobody_is_asked_again_for_them(
    file: Path, settings: dict[str, tuple[str, ...]], holds: Callable[[Device, Device], bool]
) -> None:
    prober = CountingProber()
    ask(Hardware(file, prober))
    overrides = Overrides.of(HardwareSettings(**settings))
    cuda, cpu = ask(Hardware(file, prober, overrides=overrides))
    assert holds(cuda, cpu)
    assert len(prober.questions) == 1


def test_settings_that_name_no_device_are_told(file: Path) -> None:
    settings = HardwareSettings(
        disabled=("torch-cuda", "cuda:0", "torch-cuda cuda:1"), memory=("torch-cuda cuda:0=1GB", "GPU=1GB")
    )
    hardware = Hardware(file, CountingProber(), overrides=Overrides.of(settings))
    found = [each for each in asyncio.run(_devices(hardware)) if each["what"].startswith("hardware.")]
    told = [(each["what"], each["ok"], each["detail"].split("`")[1]) for each in found]
    assert told == [
        ("hardware.disabled", False, "cuda:0"),
        ("hardware.disabled", False, "torch-cuda cuda:1"),
        ("hardware.memory", False, "GPU"),
    ]


def test_a_device_is_left_some_memory() -> None:
    with pytest.raises(ValueError, match=r"leaves `torch-cuda` some; `disabled` keeps models from it"):
        HardwareSettings(memory=("torch-cuda=0MB",))
