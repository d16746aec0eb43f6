"""ONNX Runtime's plug-in for QNN: where it is, what it finds here, and how a session on it is made."""

from __future__ import annotations

import importlib
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from panope_backends.errors import PreconditionError
from panope_backends.host.processors import threads_to_use

PROVIDER = "QNNExecutionProvider"
PACKAGE = "onnxruntime_qnn"
ADVICE = "pip install 'panope-serving[qnn]'"

QNN_SDK_ROOT = "QNN_SDK_ROOT"
"""The variable that names a Qualcomm AI Runtime SDK, whose libraries are used instead of the package's."""

#: The generation that the emulator plays: of Snapdragon 8 Gen 3. Its own default, of 2020, lacks much in 16 bits.
EMULATED_ARCHITECTURE = "75"

#: The SDK's folders of libraries, by operating system and machine.
_SDK_FOLDERS = {
    ("linux", "x86_64"): "x86_64-linux-clang",
    ("linux", "aarch64"): "aarch64-oe-linux-gcc11.2",
    ("win32", "ARM64"): "aarch64-windows-msvc",
    ("win32", "AMD64"): "x86_64-windows-msvc",
}

_FATAL_ONLY = 4


@dataclass(frozen=True)
class Here:
    """What decides on whether, and how, QNN runs in this process.

    Attributes:
        system: as `sys.platform`.
        machine: as `platform.machine()`.
        environment: the variables.
        package: the module `onnxruntime_qnn`, which is small; None where it is not installed.
    """

    system: str
    machine: str
    environment: Mapping[str, str]
    package: Any

    @classmethod
    def now(cls) -> Here:
        """This process."""
        package = importlib.import_module(PACKAGE) if find_spec(PACKAGE) is not None else None
        return cls(sys.platform, platform.machine(), os.environ, package)

    @property
    def is_emulated(self) -> bool:
        """Whether a program stands in for the NPU."""
        return (self.system, self.machine) == ("linux", "x86_64")

    @property
    def plug_in(self) -> Path:
        """The plug-in for ONNX Runtime."""
        return Path(self.package.get_library_path())

    @property
    def htp(self) -> Path:
        """The library that computes."""
        of_package = Path(self.package.get_qnn_htp_path())
        if root := self.environment.get(QNN_SDK_ROOT):
            return Path(root) / "lib" / _SDK_FOLDERS[self.system, self.machine] / of_package.name
        return of_package

    def missing(self) -> tuple[str, str]:
        """Why QNN does not run here, and what would help; empty where it may."""
        if (self.system, self.machine) not in _SDK_FOLDERS:
            return f"Qualcomm's NPU is not run on {self.system} {self.machine}", ""
        if self.package is None:
            return f"the package `{PACKAGE}` is not installed", ADVICE
        if find_spec("onnxruntime") is None:
            return "the package `onnxruntime` is not installed", ADVICE
        if not self.plug_in.is_file():
            return f"the package `{PACKAGE}` lacks its plug-in for ONNX Runtime", "install the package anew"
        if not os.path.isfile(self.htp):  # noqa: PTH113 - Path raises where a folder may not be looked into
            if self.environment.get(QNN_SDK_ROOT):
                why = f"{QNN_SDK_ROOT} names no folder that has QNN's library for this machine and may be read"
                return why, f"unset {QNN_SDK_ROOT}, which leaves the libraries of the package"
            return f"the package `{PACKAGE}` lacks QNN's library for the NPU", "install the package anew"
        return "", ""


@cache
def registered() -> Any:
    """ONNX Runtime with the plug-in, which a process takes in once.

    Raises:
        PreconditionError: a package or a library is missing, or they do not fit each other.
    """
    here = Here.now()
    why, advice = here.missing()
    if why:
        raise PreconditionError(f"{why}{f': {advice}' if advice else ''}", reason="not_installed")
    import onnxruntime

    try:
        onnxruntime.register_execution_provider_library(PROVIDER, str(here.plug_in))
    except Exception as error:  # ONNX Runtime's exceptions have no common base but this
        raise PreconditionError("ONNX Runtime cannot load its plug-in for QNN", reason="load_failed") from error
    return onnxruntime


def provider_devices(onnxruntime: Any) -> list[Any]:
    """The devices that the plug-in offers, NPUs first."""
    kinds = onnxruntime.OrtHardwareDeviceType
    found = [each for each in onnxruntime.get_ep_devices() if each.ep_name == PROVIDER]
    return sorted(found, key=lambda each: each.device.type != kinds.NPU)


def session_options(onnxruntime: Any, threads: int = 0) -> Any:
    """Options of a session whose graph QNN runs as far as it can, and the processor where it cannot.

    Raises:
        PreconditionError: the plug-in offers no device.
    """
    here = Here.now()
    devices = provider_devices(onnxruntime)
    if not devices:
        raise PreconditionError("ONNX Runtime's plug-in for QNN finds no device", reason="unknown_device")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads_to_use(threads)
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = _FATAL_ONLY
    # Numbers become integers on the processor, before and after: QNN rounds there in its own way.
    settings = {"backend_path": str(here.htp), "offload_graph_io_quantization": "1"}
    if here.is_emulated:
        settings["htp_arch"] = EMULATED_ARCHITECTURE
    options.add_provider_for_devices(devices[:1], settings)
    return options
