"""Which PyTorch is installed, read from its files: importing it takes seconds and hundreds of megabytes."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True)
class TorchBuild:
    """What PyTorch was built for.

    Attributes:
        version: with what it was built for, such as `2.15.0+cu132`.
        cuda: the version of CUDA; empty for none.
        hip: the version of HIP, of builds for ROCm; empty for none.
    """

    version: str
    cuda: str = ""
    hip: str = ""


def installed_build() -> TorchBuild | None:
    """The PyTorch of this interpreter; None when there is none."""
    package = find_spec("torch")
    if package is None or package.origin is None:
        return None
    return read_build(Path(package.origin).parent / "version.py")


def read_build(file: Path) -> TorchBuild:
    """What a `version.py` of PyTorch says; nothing of it is run. Empty where it is missing or says nothing."""
    try:
        module = ast.parse(file.read_text())
    except (OSError, SyntaxError, ValueError):
        return TorchBuild("")
    values: dict[str, str] = {}
    for statement in module.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        value = getattr(statement, "value", None)
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            values |= {target.id: value.value for target in targets if isinstance(target, ast.Name)}
    return TorchBuild(values.get("__version__", ""), values.get("cuda", ""), values.get("hip", ""))
