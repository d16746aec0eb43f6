"""What each protocol makes of texts, and how its vectors are read: as anybody's who may send anything."""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from panope_backends.api import EmbeddingRequest, Embeddings
from panope_backends.engines.remote.connection import Connection
from panope_backends.engines.remote.decoding import Count, decoded
from panope_backends.engines.remote.generation.servers import find_listed
from panope_backends.engines.remote.refusals import no_answer
from panope_backends.errors import PreconditionError
from panope_backends.upstreams.description import Upstream

#: OpenAI's limit of one request.
_MOST_TEXTS = 2048
#: Of TEI, where it does not say.
_FEW_TEXTS = 32


class Dialect(Protocol):
    """A protocol.

    Attributes:
        honoured: see `EmbeddingModel`.
        max_texts: of one request.
        max_tokens: of one text; 0 when unknown.
    """

    honoured: frozenset[str]
    max_texts: int
    max_tokens: int

    async def look(self, connection: Connection) -> None:
        """Asks the server whether it has the model.

        Raises:
            PreconditionError: it has not.
            AvailabilityError: it does not answer.
        """

    async def embed(self, connection: Connection, request: EmbeddingRequest) -> Embeddings:
        """Asks for the vectors of at most `max_texts` texts.

        Raises:
            PanopeError: what became of it.
        """


class _Embedding(Struct):
    embedding: list[float] | str
    index: Count


class _Usage(Struct):
    prompt_tokens: Count = 0


class _Vectors(Struct):
    data: list[_Embedding]
    usage: _Usage | None = None


class OpenAiEmbeddings:
    """POST /embeddings."""

    honoured = frozenset({"token_sequences"})
    max_texts = _MOST_TEXTS
    max_tokens = 0

    def __init__(self, upstream: Upstream) -> None:
        self._model = upstream.model

    async def look(self, connection: Connection) -> None:
        """Looks for the model in the server's list."""
        found = await find_listed(self._model, connection)
        self.max_tokens = found.max_positions

    async def embed(self, connection: Connection, request: EmbeddingRequest) -> Embeddings:
        """Base64 where the server knows it: a third of the bytes, and no numbers to parse."""
        inputs: Sequence[Any] = request.texts or request.token_sequences
        body = msgspec.json.encode({"model": self._model, "input": inputs, "encoding_format": "base64"})
        field = "texts" if request.texts else "token_sequences"
        data = await connection.read("POST", "/embeddings", body, fields={"input": field}, prompt=field)
        found = decoded(data, _Vectors)
        by_index = {each.index: each.embedding for each in found.data}
        if len(found.data) != len(inputs) or by_index.keys() != set(range(len(inputs))):
            raise no_answer()
        rows = [_row(by_index[index]) for index in range(len(inputs))]
        return Embeddings(_matrix(rows), found.usage.prompt_tokens if found.usage is not None else 0)


class _Info(Struct):
    max_input_length: Count = 0
    max_client_batch_size: Count = _FEW_TEXTS


class TeiEmbeddings:
    """POST /embed of Text Embeddings Inference."""

    honoured = frozenset({"token_sequences", "truncation", "normalize", "prompt_name"})
    max_texts = _FEW_TEXTS
    max_tokens = 0

    async def look(self, connection: Connection) -> None:
        """Asks for the limits."""
        info = decoded(await connection.read("GET", "/info"), _Info)
        self.max_texts = max(1, info.max_client_batch_size)
        self.max_tokens = info.max_input_length

    async def embed(self, connection: Connection, request: EmbeddingRequest) -> Embeddings:
        """TEI counts tokens in a header."""
        inputs: Sequence[Any] = request.texts or request.token_sequences
        body: dict[str, Any] = {"inputs": inputs, "truncate": request.truncation != "refuse"}
        if request.truncation != "refuse":
            body["truncation_direction"] = "Right" if request.truncation == "end" else "Left"
        if request.normalize is not None:
            body["normalize"] = request.normalize
        if request.prompt_name:
            body["prompt_name"] = request.prompt_name
        field = "texts" if request.texts else "token_sequences"
        names = {"inputs": field, "prompt_name": "prompt_name"}
        async with connection.exchange(
            "POST", "/embed", msgspec.json.encode(body), fields=names, prompt=field
        ) as answer:
            rows = decoded(await answer.body(), list[list[float]])
            told = answer.headers.get("x-compute-tokens", "")
        if len(rows) != len(inputs):
            raise no_answer()
        return Embeddings(_matrix(rows), int(told) if told.isdecimal() and len(told) < 10 else 0)


def dialect_of(upstream: Upstream) -> Dialect:
    """The dialect of a server that embeds.

    Raises:
        PreconditionError: its protocol embeds nothing.
    """
    if upstream.protocol in ("openai", "vllm"):
        return OpenAiEmbeddings(upstream)
    if upstream.protocol == "tei":
        return TeiEmbeddings()
    raise PreconditionError(f"servers that speak {upstream.protocol} embed nothing")


def _row(told: list[float] | str) -> Sequence[float] | NDArray[np.float32]:
    if isinstance(told, list):
        return told
    try:
        return np.frombuffer(binascii.a2b_base64(told, strict_mode=True), "<f4")
    except ValueError as error:  # no base64, or not of whole numbers
        raise no_answer() from error


def _matrix(rows: Sequence[Sequence[float] | NDArray[np.float32]]) -> NDArray[np.float32]:
    """The vectors, of one width and finite."""
    widths = {len(row) for row in rows}
    if len(widths) != 1 or widths == {0}:
        raise no_answer()
    with np.errstate(over="ignore"):
        vectors = np.asarray(rows, np.float32)
    if not np.isfinite(vectors).all():
        raise no_answer()
    return vectors
