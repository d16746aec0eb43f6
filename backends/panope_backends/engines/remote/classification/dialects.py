"""What Text Embeddings Inference makes of texts to classify, and how its values are read: as anybody's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import groupby, islice
from typing import Any, Protocol

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from panope_backends.api import ClassificationRequest, Classifications
from panope_backends.engines.remote.connection import Connection
from panope_backends.engines.remote.decoding import Count, decoded
from panope_backends.engines.remote.refusals import no_answer
from panope_backends.errors import PreconditionError
from panope_backends.upstreams.description import Upstream

#: Of one request, where the server does not say.
_FEW_TEXTS = 32
#: More than any model has.
_MOST_LABELS = 1 << 16
_SCORE = "LABEL_0"
"""What transformers calls the one label of a model that scores."""


class Dialect(Protocol):
    """What is asked of a server.

    Attributes:
        honoured: see `ClassificationModel`.
        labels: see there.
        needs_second_texts: see there.
        max_texts: of one request.
        max_tokens: of one text, or of two; 0 when unknown.
    """

    honoured: frozenset[str]
    labels: tuple[str, ...]
    needs_second_texts: bool
    max_texts: int
    max_tokens: int

    async def look(self, connection: Connection) -> None:
        """Asks the server what its model does.

        Raises:
            PreconditionError: something else.
            AvailabilityError: it does not answer.
        """

    def parts(self, request: ClassificationRequest) -> Iterator[ClassificationRequest]:
        """The request as several that the server takes."""

    async def classify(self, connection: Connection, request: ClassificationRequest) -> Classifications:
        """Asks for the values of one part.

        Raises:
            PanopeError: what became of it.
        """


class _LabelMap(Struct):
    id2label: dict[str, str]


class _ModelType(Struct):
    classifier: _LabelMap | None = None
    reranker: _LabelMap | None = None


class _Info(Struct):
    model_type: _ModelType
    max_input_length: Count = 0
    max_client_batch_size: Count = _FEW_TEXTS


class _Tei:
    honoured: frozenset[str] = frozenset({"second_texts", "truncation"})
    labels: tuple[str, ...] = ()
    needs_second_texts = False
    max_texts = _FEW_TEXTS
    max_tokens = 0

    async def _info(self, connection: Connection) -> _ModelType:
        info = decoded(await connection.read("GET", "/info"), _Info)
        self.max_texts = max(1, info.max_client_batch_size)
        self.max_tokens = info.max_input_length
        return info.model_type

    def parts(self, request: ClassificationRequest) -> Iterator[ClassificationRequest]:
        """As many texts as the server takes in one."""
        for begin in range(0, len(request.texts), self.max_texts):
            span = slice(begin, begin + self.max_texts)
            yield replace(request, texts=request.texts[span], second_texts=request.second_texts[span])

    async def _sent(
        self, connection: Connection, path: str, body: Mapping[str, Any], truncation: str
    ) -> tuple[bytes, int]:
        """The answer's body, and the tokens that a header tells."""
        asked = {**body, "raw_scores": True, "truncate": truncation != "refuse"}
        if truncation != "refuse":
            asked["truncation_direction"] = "Right" if truncation == "end" else "Left"
        async with connection.exchange("POST", path, msgspec.json.encode(asked), prompt="texts") as answer:
            told = answer.headers.get("x-compute-tokens", "")
            return await answer.body(), int(told) if told.isdecimal() and len(told) < 10 else 0


class _LabelScore(Struct):
    label: str
    score: float


class TeiClassifier(_Tei):
    """POST /predict: texts, or pairs of them, to the model's labels."""

    async def look(self, connection: Connection) -> None:
        """Asks for the labels and the limits."""
        found = (await self._info(connection)).classifier
        if found is None:
            raise _other_model("classify")
        self.labels = _labels_of(found)

    async def classify(self, connection: Connection, request: ClassificationRequest) -> Classifications:
        """Its answers tell the highest values first."""
        inputs = [[text] for text in request.texts]
        if request.second_texts:
            inputs = [[first, second] for first, second in zip(request.texts, request.second_texts, strict=True)]
        data, tokens = await self._sent(connection, "/predict", {"inputs": inputs}, request.truncation)
        rows = [{each.label: each.score for each in row} for row in decoded(data, list[list[_LabelScore]])]
        if len(rows) != len(inputs) or any(row.keys() != set(self.labels) for row in rows):
            raise no_answer()
        return Classifications(_finite([[row[label] for label in self.labels] for row in rows]), tokens)


class _Rank(Struct):
    index: Count
    score: float


class TeiReranker(_Tei):
    """POST /rerank: documents, which are the second texts, to their scores by a query."""

    labels: tuple[str, ...] = (_SCORE,)
    needs_second_texts = True

    async def look(self, connection: Connection) -> None:
        """Asks for the limits."""
        if (await self._info(connection)).reranker is None:
            raise _other_model("rerank")

    def parts(self, request: ClassificationRequest) -> Iterator[ClassificationRequest]:
        """One query each."""
        documents = iter(request.second_texts)
        for _, queries in groupby(request.texts):
            same = tuple(queries)
            beside = tuple(islice(documents, len(same)))
            yield from super().parts(replace(request, texts=same, second_texts=beside))

    async def classify(self, connection: Connection, request: ClassificationRequest) -> Classifications:
        """Its answers tell the best documents first."""
        texts = request.second_texts
        body = {"query": request.texts[0], "texts": texts}
        data, tokens = await self._sent(connection, "/rerank", body, request.truncation)
        ranks = decoded(data, list[_Rank])
        scores = {rank.index: rank.score for rank in ranks}
        if len(ranks) != len(texts) or scores.keys() != set(range(len(texts))):
            raise no_answer()
        return Classifications(_finite([[scores[index]] for index in range(len(texts))]), tokens)


def dialect_of(upstream: Upstream) -> Dialect:
    """The dialect of a server that classifies or reranks.

    Raises:
        PreconditionError: its protocol does neither.
    """
    if upstream.protocol != "tei":
        raise PreconditionError(f"servers that speak {upstream.protocol} classify nothing")
    return TeiReranker() if upstream.task == "rerank" else TeiClassifier()


def _labels_of(told: _LabelMap) -> tuple[str, ...]:
    """The labels by their ids."""
    names = told.id2label
    labels = tuple(names[key] for key in map(str, range(len(names))) if key in names)
    if not labels or len(labels) != len(names) or len(set(labels)) != len(labels) or len(labels) > _MOST_LABELS:
        raise no_answer()
    return labels


def _other_model(task: str) -> PreconditionError:
    return PreconditionError(
        f"the model of the server that runs it does not {task}, as the server tells", reason="upstream_not_found"
    )


def _finite(rows: list[list[float]]) -> NDArray[np.float32]:
    """The values, which JSON's numbers may exceed."""
    with np.errstate(over="ignore"):
        values = np.asarray(rows, np.float32)
    if not np.isfinite(values).all():
        raise no_answer()
    return values
