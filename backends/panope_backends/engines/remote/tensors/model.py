"""A model on a server elsewhere that maps named arrays to named arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec
from numpy.typing import NDArray

from panope_backends.api import Arrays, TensorModel
from panope_backends.engines.remote.connection import Connection
from panope_backends.engines.remote.decoding import decoded
from panope_backends.engines.remote.tensors.messages import Metadata, outputs_of, request_of, specs_of
from panope_backends.errors import PanopeError
from panope_backends.upstreams.description import Upstream

_BINARY = "binary_tensor_data"

T = TypeVar("T")


class _Server(msgspec.Struct):
    extensions: list[str] = []


class KServeModel(TensorModel):
    """The model; one run is one request.

    Args:
        upstream: where it is.
        connection: to the server; closed with the model.

    Raises:
        PreconditionError: the server does not have it, or its tensors are not served.
        AvailabilityError: the server does not answer.
    """

    precision = "fp32"

    def __init__(self, upstream: Upstream, connection: Connection) -> None:
        self._connection = connection
        self._path = f"/v2/models/{quote(upstream.model, safe='')}"
        metadata = self._read(self._path, Metadata)
        self.inputs = specs_of(metadata.inputs)
        self.outputs = specs_of(metadata.outputs)
        self._outputs = {spec.name: spec for spec in self.outputs}
        self._is_binary = self._knows_binary()

    def run(self, arrays: Arrays, outputs: Sequence[str] = ()) -> dict[str, NDArray[Any]]:
        """Sends the arrays and waits for those that come back."""
        wanted = list(outputs) or list(self._outputs)
        body, headers = request_of(arrays, wanted, binary=self._is_binary)
        return self._connection.call(self._run(body, headers, wanted))

    def close(self) -> None:
        """Ends the connections."""
        self._connection.close()

    async def _run(self, body: bytes, headers: dict[str, str], wanted: Sequence[str]) -> dict[str, NDArray[Any]]:
        async with self._connection.exchange(
            "POST", f"{self._path}/infer", body, headers=headers, prompt="inputs"
        ) as answer:
            return outputs_of(await answer.body(), answer.headers, self._outputs, wanted)

    def _knows_binary(self) -> bool:
        try:
            return _BINARY in self._read("/v2", _Server).extensions
        except PanopeError as error:
            if error.reason == "upstream_not_found":
                return False
            raise

    def _read(self, path: str, kind: type[T]) -> T:
        return decoded(self._connection.call(self._connection.read("GET", path)), kind)
