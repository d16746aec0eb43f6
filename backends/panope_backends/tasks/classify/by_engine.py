"""Requests to classify, of engines that take texts themselves."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from panope.worker.v1 import classify_pb2 as messages
from panope_backends.api import ClassificationModel, ClassificationRequest, Classifications
from panope_backends.api.embedding_model import refused_field
from panope_backends.errors import InternalError, InvalidInputError
from panope_backends.tasks.classify.answers import Answer
from panope_backends.tasks.classify.functions import usual_function
from panope_backends.tasks.classify.label_scoring import LabelScoring
from panope_backends.tasks.classify.requests import ClassifyRequests
from panope_backends.tasks.classify.sequences import Name
from panope_backends.tasks.engine_values import check_values
from panope_backends.tasks.task import DeviceJob, Job, LoadedTask
from panope_backends.tasks.token_shares import token_shares
from panope_backends.tasks.tokenize.requests import without_tokenizer


@dataclass
class EngineJob(DeviceJob):
    """Texts on their way: the engine has them since the job was made, so those of many jobs run at once.

    Attributes:
        found: the values to come.
        count: of texts, or of pairs.
        labels: of the model.
        answer: that is made of them.
        field: of the request that the engine calls `texts`.
    """

    found: Future[Classifications]
    count: int
    labels: int
    answer: Answer
    field: str

    def step(self) -> tuple[bytes, bool]:
        """Waits for the values; which texts the engine has cut, it does not say."""
        try:
            found = self.found.result()
        except InvalidInputError as error:
            raise error.renamed(lambda path: self.field if path == "texts" else path) from error
        check_values(found.values, (self.count, self.labels))
        return self.answer.message(found.values, token_shares(found.tokens, self.count), ()), True


class EngineJobs:
    """Makes jobs for a model that takes texts.

    Args:
        model: that classifies.
    """

    def __init__(self, model: ClassificationModel) -> None:
        self._model = model

    def singles(self, texts: Sequence[str], truncation: str, first_index: int, answer: Answer) -> Job:
        """Of one text each."""
        del first_index  # the engine does not say which text it refuses
        return self._job(ClassificationRequest(tuple(texts), truncation=truncation), "texts", answer)

    def pairs(
        self,
        first: Sequence[str],
        second: Sequence[str],
        truncation: str,
        name: Name,
        answer: Answer,
        *,
        first_alone: bool = False,
    ) -> Job:
        """Of two texts each; the engine may cut either."""
        if first_alone and truncation != "refuse":
            raise refused_field("truncation")
        request = ClassificationRequest(tuple(first), tuple(second), truncation)
        return self._job(request, name(0).partition("[")[0], answer)

    def _job(self, request: ClassificationRequest, field: str, answer: Answer) -> Job:
        return EngineJob(self._model.classify(request), len(request.texts), len(self._model.labels), answer, field)


def engine_task(model: ClassificationModel, task: str) -> LoadedTask:
    """The task of a model that classifies texts itself, after a trial.

    Args:
        model: as its backend loaded it.
        task: `classify` or `rerank`.

    Raises:
        PanopeError: it does not classify.
    """
    _trial(model)
    scoring = LabelScoring(model.labels, usual_function(len(model.labels)), "sigmoid")
    entailment = scoring.entailment
    facts = messages.ClassifyFacts(
        labels=scoring.labels,
        max_tokens=model.max_tokens,
        function=scoring.rerank_function if task == "rerank" else scoring.function,
        entailment_label="" if entailment is None else scoring.labels[entailment],
    )
    requests = {**ClassifyRequests(scoring, EngineJobs(model)).by_task, **without_tokenizer()}
    return LoadedTask(model, {}, requests, facts=facts.SerializeToString())


def _trial(model: ClassificationModel) -> None:
    second = ("a",) if model.needs_second_texts else ()
    values = model.classify(ClassificationRequest(("a",), second)).result().values
    if values.shape != (1, len(model.labels)):
        raise InternalError("the trial run of the model did not give a value for each label")
