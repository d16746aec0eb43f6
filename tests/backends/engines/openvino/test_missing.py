"""Devices of Intel's that OpenVINO does not see: the reason, and what would help, on faked machines."""

from pathlib import Path

import pytest

from panope_backends.engines.openvino import missing
from panope_backends.engines.openvino.missing import missing_devices, pci_address

CARD, CHIP = "class/drm/renderD128", "class/accel/accel0"


def machine(root: Path, *shown: str, vendor: str = "0x8086", files: tuple[str, ...] = ()) -> Path:
    """A machine on which Linux shows such devices and has such device files."""
    for number, entry in enumerate(shown):
        device = root / f"sys/devices/0000:00:0{number + 2}.0"
        device.mkdir(parents=True)
        (device / "vendor").write_text(f"{vendor}\n")
        (root / "sys" / entry).mkdir(parents=True)
        (root / "sys" / entry / "device").symlink_to(device)
    for file in files:
        (root / "dev" / file).parent.mkdir(parents=True, exist_ok=True)
        (root / "dev" / file).touch()
    return root


CASES = [
    ({"shown": ()}, True, "there is no graphics card of Intel's here", ""),
    ({"shown": (CARD,), "vendor": "0x10de"}, True, "there is no graphics card of Intel's here", ""),
    ({"shown": (CARD,)}, True, "no file for it in /dev/dri", "pass its file into the container"),
    ({"shown": (CARD,), "files": ("dri/renderD128",)}, False, "this user may not open its file", "`render`"),
    ({"shown": (CARD,), "files": ("dri/renderD128",)}, True, "OpenVINO finds no driver", "intel-opencl-icd"),
]


@pytest.mark.parametrize(("fake", "allowed", "reason", "advice"), CASES)
def test_it_says_why_a_card_is_missing_and_what_helps(
    tmp_path: Path, fake: dict[str, tuple[str, ...]], allowed: bool, reason: str, advice: str
) -> None:
    fake = dict(fake)
    root = machine(tmp_path, *fake.pop("shown"), **fake)  # type: ignore[arg-type]
    card, chip = missing_devices("openvino", ["CPU"], root, lambda _: allowed)
    assert (card.name, chip.name) == ("GPU", "NPU")
    assert not card.available
    assert reason in card.reason
    assert (advice in card.advice) if advice else not card.advice
    assert "there is no NPU of Intel's here" in chip.reason


def test_what_openvino_finds_is_not_missing() -> None:
    assert [device.name for device in missing_devices("openvino", ["CPU", "GPU.0", "GPU.1"])] == ["NPU"]


def test_other_systems_show_no_more_than_openvino_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(missing.sys, "platform", "win32")
    assert missing_devices("openvino", ["CPU"])[0].reason == "OpenVINO finds no graphics card of Intel's"


def test_the_only_device_of_a_kind_has_the_address_that_linux_shows(tmp_path: Path) -> None:
    root = machine(tmp_path, CARD, CHIP)
    assert pci_address("GPU", ["CPU", "GPU"], root) == "0000:00:02.0"
    assert pci_address("NPU", ["CPU", "NPU"], root) == "0000:00:03.0"
    assert pci_address("GPU.0", ["GPU.0", "GPU.1"], root) == "", "nobody knows which of two it is"
    assert pci_address("CPU", ["CPU"], root) == ""
