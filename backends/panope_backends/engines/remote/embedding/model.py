"""A model that embeds on a server elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace

import numpy as np

from panope_backends.api import EmbeddingModel, EmbeddingRequest, Embeddings
from panope_backends.engines.remote.connection import Connection
from panope_backends.engines.remote.embedding.dialects import Dialect, dialect_of
from panope_backends.engines.remote.refusals import no_answer
from panope_backends.upstreams.description import Upstream


class RemoteEmbeddingModel(EmbeddingModel):
    """The model; what exceeds the server's own limit of texts goes in several requests at once.

    Args:
        dialect: of the server's protocol.
        connection: to the server; closed with the model.
    """

    precision = "fp32"

    def __init__(self, dialect: Dialect, connection: Connection) -> None:
        self.honoured = dialect.honoured
        self.max_tokens = dialect.max_tokens
        self._dialect = dialect
        self._connection = connection

    @classmethod
    def loaded(cls, upstream: Upstream, connection: Connection) -> RemoteEmbeddingModel:
        """The model, once its server has told that it has it.

        Raises:
            PreconditionError: it has not.
            AvailabilityError: it does not answer.
        """
        dialect = dialect_of(upstream)
        connection.call(dialect.look(connection))
        return cls(dialect, connection)

    def embed(self, request: EmbeddingRequest) -> Future[Embeddings]:
        """Sends the texts."""
        self.require_supported(request)
        return self._connection.start(self._embedded(request))

    def close(self) -> None:
        """Drops what runs."""
        self._connection.close()

    async def _embedded(self, request: EmbeddingRequest) -> Embeddings:
        parts = [self._dialect.embed(self._connection, part) for part in self._parts(request)]
        found = await asyncio.gather(*parts)
        if len({each.vectors.shape[1] for each in found}) != 1:
            raise no_answer()
        return Embeddings(np.concatenate([each.vectors for each in found]), sum(each.tokens for each in found))

    def _parts(self, request: EmbeddingRequest) -> Iterator[EmbeddingRequest]:
        count, most = len(request.texts) + len(request.token_sequences), self._dialect.max_texts
        for begin in range(0, count, most):
            span = slice(begin, begin + most)
            yield replace(request, texts=request.texts[span], token_sequences=request.token_sequences[span])
