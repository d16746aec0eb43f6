"""Engines that take texts themselves are held to what they gave in their trial: a wrong row goes to nobody."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest

from panope.worker.v1 import classify_pb2, embed_pb2
from panope_backends.api import (
    ClassificationModel,
    ClassificationRequest,
    Classifications,
    EmbeddingModel,
    EmbeddingRequest,
    Embeddings,
)
from panope_backends.errors import InternalError
from panope_backends.tasks.classify.by_engine import engine_task as classifier_task
from panope_backends.tasks.embed.by_engine import engine_task as embedder_task

#: What an engine gives for two texts, two values each, after a trial of one text.
WRONG = {
    "a row too few": [[1.0, 2.0]],
    "a row too many": [[1.0, 2.0]] * 3,
    "rows of another width": [[1.0, 2.0, 3.0]] * 2,
    "rows that are joined": [1.0, 2.0, 3.0, 4.0],
    "no number": [[1.0, 2.0], [1.0, float("nan")]],
    "what is infinite": [[1.0, 2.0], [1.0, float("inf")]],
}


def done(value: Any) -> Future[Any]:
    found: Future[Any] = Future()
    found.set_result(value)
    return found


class Embedder(EmbeddingModel):
    precision = "fp32"
    honoured = frozenset[str]()

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    def embed(self, request: EmbeddingRequest) -> Future[Embeddings]:
        rows = [[1.0, 2.0]] if len(request.texts) == 1 else self.rows
        return done(Embeddings(np.array(rows, np.float32)))


class Classifier(ClassificationModel):
    precision = "fp32"
    labels = ("good", "bad")
    honoured = frozenset[str]()

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    def classify(self, request: ClassificationRequest) -> Future[Classifications]:
        rows = [[1.0, 2.0]] if len(request.texts) == 1 else self.rows
        return done(Classifications(np.array(rows, np.float32)))


def embedded(rows: Any) -> embed_pb2.EmbedOutput:
    message = embed_pb2.EmbedInput(texts=["a", "b"], truncation="refuse")
    job: Any = embedder_task(Embedder(rows)).requests["embed"](message.SerializeToString())
    return embed_pb2.EmbedOutput.FromString(job.step()[0])


def classified(rows: Any) -> classify_pb2.ClassifyOutput:
    message = classify_pb2.ClassifyInput(texts=["a", "b"], truncation="refuse")
    job: Any = classifier_task(Classifier(rows), "classify").requests["classify"](message.SerializeToString())
    return classify_pb2.ClassifyOutput.FromString(job.step()[0])


@pytest.mark.parametrize("answer", [embedded, classified])
@pytest.mark.parametrize("what", WRONG)
def test_values_of_another_number_or_width_or_that_are_no_numbers_fail_the_call(what: str, answer: Any) -> None:
    with pytest.raises(InternalError, match=r"gave .* of one in its trial|not finite"):
        answer(WRONG[what])


def test_right_values_are_given_in_their_order() -> None:
    rows = [[1.0, 2.0], [3.0, 4.0]]
    assert np.frombuffer(embedded(rows).vectors, "<f4").reshape(2, 2).tolist() == rows
    assert len(classified(rows).token_counts) == 2
