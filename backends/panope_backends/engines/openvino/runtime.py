"""Imports OpenVINO's runtime without its converter, and all that belongs to it without telemetry.

`import openvino` brings the model converter along, which reports each import to the maker's analytics over the network
and takes most of the import's time (0.20 s against 0.08 s). A model server does neither: both modules are marked as
absent, which OpenVINO allows for.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import cast

from panope_backends.errors import PreconditionError

_CONVERTER = "openvino.tools.ovc"
_TELEMETRY = "openvino_telemetry"

#: None for a module makes its import fail with ImportError; the stubs do not know.
_MODULES = cast("dict[str, ModuleType | None]", sys.modules)


def import_runtime() -> ModuleType:
    """The `openvino` module, to run models.

    Raises:
        PreconditionError: OpenVINO is not installed.
    """
    return _import_openvino(_CONVERTER, _TELEMETRY)


def import_converter() -> tuple[ModuleType, ModuleType]:
    """The `openvino` module and its converter, for a process of its own.

    Raises:
        PreconditionError: OpenVINO is not installed.
    """
    openvino = _import_openvino(_TELEMETRY)
    if _CONVERTER in _MODULES and _MODULES[_CONVERTER] is None:  # the runtime was imported before
        del _MODULES[_CONVERTER]
    return openvino, importlib.import_module(_CONVERTER)


def import_compressor() -> tuple[ModuleType, ModuleType]:
    """The `openvino` module and `nncf`, for a process of its own.

    NNCF reports by the same telemetry, and does without it when it is absent.

    Raises:
        PreconditionError: one of them is not installed.
    """
    openvino, _ = import_converter()
    try:
        return openvino, importlib.import_module("nncf")
    except ModuleNotFoundError as error:
        raise PreconditionError(
            f"the package `{error.name}` is not installed: pip install 'panope-serving[build]'", reason="not_installed"
        ) from None


def _import_openvino(*absent: str) -> ModuleType:
    for name in absent:
        _MODULES.setdefault(name, None)
    try:
        return importlib.import_module("openvino")
    except ModuleNotFoundError as error:
        raise PreconditionError(
            f"the package `{error.name}` is not installed: pip install 'panope-serving[openvino]'",
            reason="not_installed",
        ) from None
