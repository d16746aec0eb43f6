"""Runs an ONNX file in ONNX Runtime on the processor."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from panope_backends.api import Arrays, TensorModel, TensorSpec
from panope_backends.engines.onnx.files import model_file
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.host.processors import threads_to_use
from panope_backends.isolation.memory_limit import is_out_of_memory

try:
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as state
except ModuleNotFoundError as missing:
    raise PreconditionError(
        f"the package `{missing.name}` is not installed: pip install 'panope-serving[onnx]'", reason="not_installed"
    ) from None

#: Errors reach the log with the exception; ONNX Runtime's own lines for them on stderr are no JSON.
_FATAL_ONLY = 4

#: ONNX Runtime's exceptions have no common base but Exception.
REFUSALS = (
    state.EPFail,
    state.Fail,
    state.InvalidArgument,
    state.InvalidGraph,
    state.InvalidProtobuf,
    state.NoSuchFile,
    state.NotImplemented,
    state.RuntimeException,
)

_DTYPES = {"bool": "bool", "float16": "float16", "float": "float32", "double": "float64"} | {
    f"{kind}{bits}": f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)
}


def load_onnx_model(folder: Path, threads: int) -> TensorModel:
    """Loads `model.onnx` or `onnx/model.onnx`; `threads` 0 for one a processor.

    Raises:
        PreconditionError: there is no such file, or ONNX Runtime refuses it.
    """
    file = model_file(folder)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads_to_use(threads)
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # other models run on the same cores
    options.log_severity_level = _FATAL_ONLY
    try:
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    except REFUSALS as error:
        raise PreconditionError("ONNX Runtime refuses the model", reason="load_failed") from error
    return OnnxModel(session)


class OnnxModel(TensorModel):
    """An ONNX Runtime session; the file decides on precision, which is fp32 unless it was quantised."""

    precision = "fp32"

    def __init__(self, session: Any) -> None:
        self._session = session
        self.inputs = [_spec(tensor) for tensor in session.get_inputs()]
        self.outputs = [_spec(tensor) for tensor in session.get_outputs()]
        self.metadata = dict(session.get_modelmeta().custom_metadata_map)

    def run(self, arrays: Arrays, outputs: Sequence[str] = ()) -> dict[str, np.ndarray[Any, Any]]:
        """Runs once; ONNX Runtime gives new arrays each time.

        Raises:
            InvalidInputError: values or shapes that the model cannot take.
        """
        names = list(outputs) or [spec.name for spec in self.outputs]
        feed = {spec.name: arrays[spec.name] for spec in self.inputs}
        try:
            return dict(zip(names, self._session.run(names, feed), strict=True))
        except (state.Fail, state.InvalidArgument, state.RuntimeException) as error:
            if is_out_of_memory(error):
                raise
            # An index out of range or shapes that do not fit: found in the middle of the graph, and worded by its node.
            raise InvalidInputError("the model cannot take these inputs together", field="inputs") from error

    def close(self) -> None:
        """Frees the session's memory."""
        del self._session


def _spec(tensor: Any) -> TensorSpec:
    matched = re.fullmatch(r"tensor\((\w+)\)", tensor.type)
    if matched is None or matched[1] not in _DTYPES:
        raise PreconditionError(
            f"tensor `{tensor.name}` is of a type that NumPy lacks: {tensor.type}", reason="unsupported_type"
        )
    # Free lengths have a name or none.
    shape = tuple(n if isinstance(n, int) else -1 for n in tensor.shape)
    axes = tuple(n if isinstance(n, str) else "" for n in tensor.shape)
    return TensorSpec(tensor.name, _DTYPES[matched[1]], shape, axes)
