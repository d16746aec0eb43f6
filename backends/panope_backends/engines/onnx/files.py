"""Where an ONNX model's file lies."""

from __future__ import annotations

from pathlib import Path

from panope_backends.errors import PreconditionError

MODEL_FILES = ("model.onnx", "onnx/model.onnx")
"""Where exporters put the file, looked for in this order."""


def model_file(folder: Path) -> Path:
    """The file of a model.

    Raises:
        PreconditionError: there is none.
    """
    file = next((folder / name for name in MODEL_FILES if (folder / name).is_file()), None)
    if file is None:
        raise PreconditionError(f"the model has no file `{MODEL_FILES[0]}`", reason="missing_file")
    return file
