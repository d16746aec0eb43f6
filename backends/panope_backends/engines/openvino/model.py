"""A model that OpenVINO has compiled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from panope_backends.api import Arrays, TensorModel, TensorSpec
from panope_backends.engines.tables import Tables
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.isolation.memory_limit import is_out_of_memory
from panope_backends.model_facts.text_graphs import tensor_name

#: OpenVINO's types to NumPy's; it answers with a stand-in for those that NumPy lacks, such as float16 for bf16.
_DTYPES = {"boolean": "bool"} | {
    f"{kind[0]}{bits}": f"{kind}{bits}"
    for kind, sizes in (("float", (16, 32, 64)), ("int", (8, 16, 32, 64)), ("uint", (8, 16, 32, 64)))
    for bits in sizes
}


class OpenVinoModel(TensorModel):
    """A compiled model with one inference request, reused so that its buffers are.

    A run that fails leaves its shapes in the compiled graph, where they make later runs fail that are right; a new
    request for the same graph does not help. So both are thrown away, and the next run compiles again.

    Args:
        compile_model: gives the compiled model.
        tables: of its weights.
    """

    def __init__(self, compile_model: Callable[[], Any], precision: str, tables: Tables) -> None:
        self.precision = precision
        self.index_limits, self.max_tokens = tables.index_limits, tables.max_tokens
        self._compile = compile_model
        self._request: Any = None
        compiled = self._renew()
        self.inputs = [_spec(port) for port in compiled.inputs]
        self.outputs = [_spec(port) for port in compiled.outputs]

    def run(self, arrays: Arrays, outputs: Sequence[str] = ()) -> dict[str, np.ndarray[Any, Any]]:
        """Inputs are read where they lie; wanted outputs are copied, because the next run writes over OpenVINO's own.

        Raises:
            InvalidInputError: the shapes do not fit each other or the model.
        """
        if self._request is None:
            self._renew()
        feed = {port: arrays[name] for name, port in self._input_ports.items()}
        try:
            results = self._request.infer(feed, share_inputs=True, share_outputs=True)
            return {name: np.array(results[self._ports[name]]) for name in outputs or self._ports}
        except BaseException as error:
            self.close()
            # Shapes that specs cannot tell wrong fail in OpenVINO's shape inference, before anything is computed.
            if isinstance(error, RuntimeError) and "shape" in str(error).lower() and not is_out_of_memory(error):
                raise InvalidInputError(
                    "the inputs' shapes do not fit each other or the model", field="inputs"
                ) from error
            raise

    def close(self) -> None:
        """Frees the buffers and the weights."""
        self._request = None
        self._ports: dict[str, Any] = {}
        self._input_ports: dict[str, Any] = {}

    def _renew(self) -> Any:
        compiled = self._compile()
        self._ports = {port_name(port): port for port in compiled.outputs}
        self._input_ports = {port_name(port): port for port in compiled.inputs}
        self._request = compiled.create_infer_request()
        return compiled


def port_name(port: Any) -> str:
    """The tensor's name; the node's where the model's maker gave none."""
    return tensor_name(port.get_names(), str(port.get_node().get_friendly_name()))


def _spec(port: Any) -> TensorSpec:
    name, kind = port_name(port), port.get_element_type().get_type_name()
    if kind not in _DTYPES:
        raise PreconditionError(f"tensor `{name}` is of a type that NumPy lacks: {kind}", reason="unsupported_type")
    shape = port.get_partial_shape()
    if shape.rank.is_dynamic:
        raise PreconditionError(f"tensor `{name}` has no fixed number of dimensions", reason="unsupported_shape")
    return TensorSpec(name, _DTYPES[kind], tuple(-1 if size.is_dynamic else size.get_length() for size in shape))
