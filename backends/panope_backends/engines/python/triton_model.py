"""A class of Triton's shape, `TritonPythonModel`, as a model of tensors."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from panope_backends.api import Arrays, TensorModel, TensorSpec
from panope_backends.engines.python.own_code import OwnCode, loading_code, running_code, text_for_caller
from panope_backends.engines.python.tensors import Array, checked_outputs, wrong
from panope_backends.engines.python.triton_utils import (
    InferenceRequest,
    InferenceResponse,
    ModelConfig,
    Tensor,
    TritonError,
    utils_module,
)
from panope_backends.errors import (
    AvailabilityError,
    InternalError,
    InvalidInputError,
    NotFoundError,
    PanopeError,
    PreconditionError,
)
from panope_backends.python_models.config_text import ConfigError, config_of_document, parse_config
from panope_backends.python_models.layout import CONFIG_FILE, MODEL_FILE, version_of
from panope_backends.python_models.triton import Tensor as Described
from panope_backends.python_models.triton import TritonModel, as_document, read_model

CLASS = "TritonPythonModel"

#: Codes of a model's own errors that are not its fault.
_ERRORS: dict[int, type[PanopeError]] = {
    TritonError.INVALID_ARG: InvalidInputError,
    TritonError.NOT_FOUND: NotFoundError,
    TritonError.UNAVAILABLE: AvailabilityError,
    TritonError.UNSUPPORTED: PreconditionError,
    TritonError.ALREADY_EXISTS: PreconditionError,
}


class PythonTensorModel(TensorModel):
    """The model; `execute` gets one request at a time.

    Args:
        name: `vendor/name`.
        folder: Triton's: config.pbtxt, and the folder of a version.
    """

    precision = "fp32"
    has_trial = False

    def __init__(self, name: str, folder: Path) -> None:
        self._name = name
        self._folder = folder
        config = _broken(lambda: parse_config((folder / CONFIG_FILE).read_bytes()))
        named = config.default_model_filename or MODEL_FILE
        paths = [path.relative_to(folder).as_posix() for path in folder.glob("*/*")]
        version = version_of(paths, named)
        if not version:
            raise PreconditionError(f"the model has no file `1/{named}`", reason="missing_file")
        version_folder = folder / str(version)
        utils = utils_module(str(version_folder))
        self._code = OwnCode(version_folder / named, (version_folder, folder), [utils])
        try:
            self._begin(config, version)
        except BaseException:
            self._code.close()
            raise

    def _begin(self, config: Any, version: int) -> None:
        kind = getattr(self._code.module, CLASS, None)
        if not isinstance(kind, type) or not callable(getattr(kind, "execute", None)):
            raise PreconditionError(
                f"the model's own file has no class `{CLASS}` with a method `execute`", reason="missing_class"
            )
        config = _completed(kind, config)
        described = _broken(lambda: read_model(config))
        self._settle(described)
        self._model = kind()
        initialize = getattr(self._model, "initialize", None)
        if initialize is not None:
            with loading_code():
                initialize(
                    {
                        "model_config": json.dumps(as_document(config)),
                        "model_instance_kind": "CPU",
                        "model_instance_name": f"{self._name}_0",
                        "model_instance_device_id": "0",
                        "model_repository": str(self._folder),
                        "model_version": str(version),
                        "model_name": self._name,
                    }
                )

    def _settle(self, described: TritonModel) -> None:
        for kind, tensors in (("input", described.inputs), ("output", described.outputs)):
            if not tensors:
                raise PreconditionError(
                    f"neither `{CONFIG_FILE}` nor `auto_complete_config` of the model's code says which {kind}s it has",
                    reason="missing_tensors",
                )
        has_batch = described.max_batch_size > 0
        self.inputs = [_spec(tensor, has_batch=has_batch) for tensor in described.inputs]
        self.outputs = [_spec(tensor, has_batch=has_batch) for tensor in described.outputs]
        self._max_batch_size = described.max_batch_size

    def run(self, arrays: Arrays, outputs: Sequence[str] = ()) -> dict[str, Array]:
        """Runs `execute` with one request, whose arrays are copies of its own.

        Raises:
            InvalidInputError: the batch is too large, or the model refuses the request as wrong.
            InternalError: the code fails, or its answer is none.
        """
        names = list(outputs) or [spec.name for spec in self.outputs]
        batch = self._batch(arrays)
        tensors = [Tensor(spec.name, np.array(arrays[spec.name])) for spec in self.inputs if spec.name in arrays]
        request = InferenceRequest(self._name, names, tensors)
        with running_code():
            answered = self._model.execute([request])
            if inspect.isawaitable(answered):
                answered = asyncio.run(_awaited(answered))
        found = self._given(answered)
        return checked_outputs(found, [spec for spec in self.outputs if spec.name in names], batch)

    def close(self) -> None:
        """Lets it end what it has; what goes wrong there harms nobody any more."""
        finalize = getattr(vars(self).pop("_model", None), "finalize", None)
        try:
            if finalize is not None:
                with running_code():
                    finalize()
        except InternalError:
            return
        finally:
            self._code.close()

    def _batch(self, arrays: Arrays) -> int | None:
        if not self._max_batch_size:
            return None
        name, array = next(iter(arrays.items()))
        if len(array) > self._max_batch_size:
            raise InvalidInputError.at(
                f"inputs[{name}]",
                "{field} has a batch of {count:,}; the model takes at most {limit:,}",
                count=len(array),
                limit=self._max_batch_size,
            )
        return len(array)

    def _given(self, answered: Any) -> dict[str, object]:
        if not isinstance(answered, list | tuple) or len(answered) != 1:
            count = f"{len(answered)} responses" if isinstance(answered, list | tuple) else type(answered).__name__
            raise wrong(f"answers one request with {count} in place of a list of one response")
        (response,) = answered
        if not isinstance(response, InferenceResponse):
            raise wrong(f"answers with a {type(response).__name__} in place of an InferenceResponse")
        if response.has_error():
            raise self._refused(response.error())
        tensors: Sequence[object] = response.output_tensors()
        known = {spec.name for spec in self.outputs}
        given: dict[str, object] = {}
        for tensor in tensors:
            if not isinstance(tensor, Tensor):
                raise wrong(f"answers with a {type(tensor).__name__} in place of a Tensor")
            if tensor.name() not in known:
                raise wrong(f"gives `{str(tensor.name())[:64]}`, which its configuration does not have")
            given[tensor.name()] = tensor.as_numpy()
        return given

    def _refused(self, error: Any) -> PanopeError:
        code = error.code() if isinstance(error, TritonError) else TritonError.INTERNAL
        said = text_for_caller(error, self._folder)
        kind = _ERRORS.get(code, InternalError)
        return kind(f"the model says: {said}" if said else "the model refuses the request; the server's log has more")


async def _awaited(answer: Any) -> Any:
    return await answer


def _completed(kind: Any, config: Any) -> Any:
    """The configuration with what the model's code adds, where it has no tensors itself."""
    complete = getattr(kind, "auto_complete_config", None)
    if complete is None or (config.input and config.output):
        return config
    given = ModelConfig(as_document(config))
    with loading_code():
        completed = complete(given) or given
        document = completed.as_dict()
    return _broken(lambda: config_of_document(document))


def _broken(read: Any) -> Any:
    try:
        return read()
    except FileNotFoundError:
        raise PreconditionError(f"the model has no file `{CONFIG_FILE}`", reason="missing_file") from None
    except ConfigError as error:
        raise PreconditionError(f"`{CONFIG_FILE}` cannot be honoured: {error}", reason="unsupported_config") from None


def _spec(tensor: Described, *, has_batch: bool) -> TensorSpec:
    return TensorSpec(tensor.name, tensor.dtype, tensor.shape, _axes(tensor, has_batch=has_batch), tensor.is_optional)


def _axes(tensor: Described, *, has_batch: bool) -> tuple[str, ...]:
    """Names by which lengths are held to each other: the batch's is one, any other is the tensor's own."""
    own = tuple(f"{axis} of {tensor.name}" for axis in range(len(tensor.shape)))
    return ("batch", *own[1:]) if has_batch else own
