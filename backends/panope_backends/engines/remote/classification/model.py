"""A model that classifies or reranks on a server elsewhere."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future

import numpy as np

from panope_backends.api import ClassificationModel, ClassificationRequest, Classifications
from panope_backends.engines.remote.classification.dialects import Dialect, dialect_of
from panope_backends.engines.remote.connection import Connection
from panope_backends.upstreams.description import Upstream


class RemoteClassificationModel(ClassificationModel):
    """The model; what exceeds the server's own limit of texts goes in several requests at once.

    Args:
        dialect: of the server's protocol, which has looked at the server.
        connection: to the server; closed with the model.
    """

    precision = "fp32"

    def __init__(self, dialect: Dialect, connection: Connection) -> None:
        self.honoured = dialect.honoured
        self.labels = dialect.labels
        self.needs_second_texts = dialect.needs_second_texts
        self.max_tokens = dialect.max_tokens
        self._dialect = dialect
        self._connection = connection

    @classmethod
    def loaded(cls, upstream: Upstream, connection: Connection) -> RemoteClassificationModel:
        """The model, once its server has told that it has it.

        Raises:
            PreconditionError: it has not.
            AvailabilityError: it does not answer.
        """
        dialect = dialect_of(upstream)
        connection.call(dialect.look(connection))
        return cls(dialect, connection)

    def classify(self, request: ClassificationRequest) -> Future[Classifications]:
        """Sends the texts."""
        self.require_supported(request)
        return self._connection.start(self._classified(request))

    def close(self) -> None:
        """Drops what runs."""
        self._connection.close()

    async def _classified(self, request: ClassificationRequest) -> Classifications:
        parts = [self._dialect.classify(self._connection, part) for part in self._dialect.parts(request)]
        found = await asyncio.gather(*parts)
        return Classifications(np.concatenate([each.values for each in found]), sum(each.tokens for each in found))
