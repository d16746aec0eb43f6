"""What models of Triton's python backend import as `triton_python_backend_utils`, by its names.

What it has of Triton's server around the model (other models, shared memory, metrics, many answers to a request) is
refused when it is used, by name, so that a model that only imports it runs.
"""
# ruff: noqa: D102, D103 - the names and what they do are Triton's

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope_backends.python_models.triton import DTYPES

MODULE = "triton_python_backend_utils"

Array = NDArray[Any]

TRITON_STRING_TO_NUMPY: dict[str, Any] = {
    name: np.object_ if dtype == "object" else np.dtype(dtype).type for name, dtype in DTYPES.items()
}

#: In the order of Triton's numbers, from 1.
_TYPES = [TRITON_STRING_TO_NUMPY[f"TYPE_{name}"] for name in (
    "BOOL UINT8 UINT16 UINT32 UINT64 INT8 INT16 INT32 INT64 FP16 FP32 FP64 STRING"
).split()]  # fmt: skip


class TritonModelException(Exception):  # noqa: N818 - Triton's name
    """Raised by models, and by what is here."""

    def message(self) -> str:
        return str(self)


class TritonError:
    """What a model says of a request that it refuses; its text goes to the caller.

    Args:
        msg: for the caller.
        code: one of this class's; INTERNAL unless given.
    """

    UNKNOWN, INTERNAL, NOT_FOUND, INVALID_ARG, UNAVAILABLE, UNSUPPORTED, ALREADY_EXISTS, CANCELLED = range(8)

    def __init__(self, msg: str, code: int = INTERNAL) -> None:
        self._msg = msg
        self._code = code

    def __str__(self) -> str:
        return str(self._msg)

    def message(self) -> str:
        return self._msg

    def code(self) -> int:
        return self._code


class Tensor:
    """A named array in the processor's memory."""

    def __init__(self, name: str, numpy_array: Array) -> None:
        if not isinstance(numpy_array, np.ndarray):
            raise TritonModelException(f"tensor `{name}` needs a NumPy array, not a {type(numpy_array).__name__}")
        if numpy_array.dtype.kind in "UV":
            raise TritonModelException(f"tensor `{name}` has a type that is not taken; texts are arrays of np.object_")
        self._name = name
        self._array = numpy_array

    def name(self) -> str:
        return self._name

    def as_numpy(self) -> Array:
        return self._array

    def shape(self) -> tuple[int, ...]:
        return self._array.shape

    def triton_dtype(self) -> int | None:
        return numpy_to_triton_type(self._array.dtype.type)

    def is_cpu(self) -> bool:
        return True

    def to_dlpack(self) -> Any:
        return self._array.__dlpack__()

    def __dlpack__(self, **options: Any) -> Any:
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()

    @staticmethod
    def from_dlpack(name: str, tensor: Any) -> Tensor:
        return Tensor(name, _from_dlpack(tensor))


def _from_dlpack(tensor: Any) -> Array:
    if hasattr(tensor, "cpu") and hasattr(tensor, "detach"):  # PyTorch's, which may lie on another device
        found: Array = tensor.detach().cpu().numpy()
        return found
    if not hasattr(tensor, "__dlpack__"):  # a capsule, which only PyTorch takes
        import torch.utils.dlpack

        capsule: Array = torch.utils.dlpack.from_dlpack(tensor).cpu().numpy()
        return capsule
    return np.from_dlpack(tensor)


class InferenceRequest:
    """What a model is asked."""

    def __init__(
        self,
        model_name: str = "",
        requested_output_names: Sequence[str] = (),
        inputs: Sequence[Tensor] = (),
        **others: Any,
    ) -> None:
        self._model_name = model_name
        self._names = list(requested_output_names)
        self._inputs = list(inputs)
        self._others = others

    def inputs(self) -> list[Tensor]:
        return self._inputs

    def requested_output_names(self) -> list[str]:
        return self._names

    def model_name(self) -> str:
        return self._model_name

    def request_id(self) -> str:
        return str(self._others.get("request_id", ""))

    def correlation_id(self) -> int:
        return int(self._others.get("correlation_id", 0))

    def flags(self) -> int:
        return int(self._others.get("flags", 0))

    def timeout(self) -> int:
        return int(self._others.get("timeout", 0))

    def parameters(self) -> str:
        return "{}"

    def trace(self) -> None:
        return None

    def is_cancelled(self) -> bool:
        return False

    def get_response_sender(self) -> Any:
        raise _unsupported("several answers to a request (`get_response_sender`)")

    def exec(self, *_: Any, **__: Any) -> Any:
        raise _unsupported("calls of other models (`InferenceRequest.exec`)")

    def async_exec(self, *arguments: Any, **options: Any) -> Any:
        return self.exec(*arguments, **options)


class InferenceResponse:
    """What a model answers."""

    def __init__(self, output_tensors: Sequence[Tensor] = (), error: TritonError | None = None) -> None:
        self._tensors = list(output_tensors)
        self._error = error

    def output_tensors(self) -> list[Tensor]:
        return self._tensors

    def has_error(self) -> bool:
        return self._error is not None

    def error(self) -> TritonError | None:
        return self._error


class Logger:
    """Writes lines into the worker's log."""

    INFO, WARNING, ERROR, VERBOSE = range(4)

    @staticmethod
    def log_info(message: object) -> None:
        _log("info", message)

    @staticmethod
    def log_warn(message: object) -> None:
        _log("warning", message)

    @staticmethod
    def log_error(message: object) -> None:
        _log("error", message)

    @staticmethod
    def log_verbose(message: object) -> None:
        """Verbose lines are not wanted."""

    @staticmethod
    def log(message: object, level: int = INFO) -> None:
        if level != Logger.VERBOSE:
            _log(("info", "warning", "error")[level], message)


def _log(level: str, message: object) -> None:
    sys.stderr.write(f"{level}: {message}\n")


class ModelConfig:
    """What `auto_complete_config` gets, and fills in."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = dict(document)

    def as_dict(self) -> dict[str, Any]:
        return self._document

    def set_max_batch_size(self, max_batch_size: int) -> None:
        self._document["max_batch_size"] = max_batch_size

    def set_dynamic_batching(self) -> None:
        self._document.setdefault("dynamic_batching", {})

    def set_model_transaction_policy(self, transaction_policy: Mapping[str, Any]) -> None:
        if transaction_policy.get("decoupled"):
            raise _unsupported("several answers to a request (`decoupled`)")

    def add_input(self, input: Mapping[str, Any]) -> None:  # noqa: A002 - Triton's name
        self._add("input", input)

    def add_output(self, output: Mapping[str, Any]) -> None:
        self._add("output", output)

    def _add(self, kind: str, tensor: Mapping[str, Any]) -> None:
        kept = [each for each in self._document.get(kind, []) if each["name"] != tensor["name"]]
        self._document[kind] = [*kept, dict(tensor)]


def get_input_tensor_by_name(inference_request: InferenceRequest, name: str) -> Tensor | None:
    return next((tensor for tensor in inference_request.inputs() if tensor.name() == name), None)


def get_output_tensor_by_name(inference_response: InferenceResponse, name: str) -> Tensor | None:
    return next((tensor for tensor in inference_response.output_tensors() if tensor.name() == name), None)


def get_input_config_by_name(model_config: Mapping[str, Any], name: str) -> Any:
    return next((each for each in model_config.get("input", ()) if each["name"] == name), None)


def get_output_config_by_name(model_config: Mapping[str, Any], name: str) -> Any:
    return next((each for each in model_config.get("output", ()) if each["name"] == name), None)


def using_decoupled_model_transaction_policy(model_config: Mapping[str, Any]) -> bool:
    return bool((model_config.get("model_transaction_policy") or {}).get("decoupled"))


def triton_string_to_numpy(triton_type_string: str) -> Any:
    return TRITON_STRING_TO_NUMPY[triton_type_string]


def triton_to_numpy_type(data_type: int) -> Any:
    return _TYPES[data_type - 1] if 0 < data_type <= len(_TYPES) else None


def numpy_to_triton_type(data_type: Any) -> int | None:
    kind = np.object_ if data_type in (np.bytes_, np.object_) else np.dtype(data_type).type
    return _TYPES.index(kind) + 1 if kind in _TYPES else None


def serialize_byte_tensor(input_tensor: Array) -> bytes | None:
    if input_tensor.size == 0 or input_tensor.dtype.kind not in "OS":
        return None
    elements = [each if isinstance(each, bytes) else str(each).encode() for each in input_tensor.ravel().tolist()]
    return b"".join(struct.pack("<I", len(each)) + each for each in elements)


def deserialize_bytes_tensor(encoded_tensor: bytes) -> Array:
    elements, offset = [], 0
    while offset < len(encoded_tensor):
        (length,) = struct.unpack_from("<I", encoded_tensor, offset)
        elements.append(bytes(encoded_tensor[offset + 4 : offset + 4 + length]))
        offset += 4 + length
    found = np.empty(len(elements), object)
    found[:] = elements
    return found


def _unsupported(what: str) -> TritonModelException:
    return TritonModelException(f"Panope does not have {what}")


def _refuses(name: str) -> Callable[..., Any]:
    def refused(*_: Any, **__: Any) -> Any:
        raise _unsupported(f"`{MODULE}.{name}`")

    return refused


#: Names that models import and seldom use.
_REFUSED = ("MetricFamily", "Metric", "PreferredMemory", "load_model", "unload_model", "is_model_ready")

_NAMES = (
    TritonModelException, TritonError, Tensor, InferenceRequest, InferenceResponse, Logger, ModelConfig,
    get_input_tensor_by_name, get_output_tensor_by_name, get_input_config_by_name, get_output_config_by_name,
    using_decoupled_model_transaction_policy, triton_string_to_numpy, triton_to_numpy_type, numpy_to_triton_type,
    serialize_byte_tensor, deserialize_bytes_tensor,
)  # fmt: skip


def utils_module(model_folder: str) -> ModuleType:
    """The module for the model in a folder."""
    module = ModuleType(MODULE, __doc__)
    for each in _NAMES:
        setattr(module, each.__name__, each)
    for name in _REFUSED:
        setattr(module, name, _refuses(name))
    vars(module).update(
        TRITON_STRING_TO_NUMPY=TRITON_STRING_TO_NUMPY,
        TRITONSERVER_REQUEST_FLAG_SEQUENCE_START=1,
        TRITONSERVER_REQUEST_FLAG_SEQUENCE_END=2,
        TRITONSERVER_RESPONSE_COMPLETE_FINAL=1,
        get_model_dir=lambda: model_folder,
    )
    return module
