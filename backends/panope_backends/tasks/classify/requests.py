"""Makes jobs of the messages of the tasks classify, zero-shot and rerank."""

from __future__ import annotations

from panope.worker.v1 import classify_pb2 as messages
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.tasks.classify.answers import EntailmentAnswer, LabelsAnswer, ScoresAnswer
from panope_backends.tasks.classify.functions import Function, function_asked, top_k_asked
from panope_backends.tasks.classify.jobs import JobMaker
from panope_backends.tasks.classify.label_scoring import LabelScoring
from panope_backends.tasks.task import Job, Prepare

PLACE = "{}"
"""Where the label stands in a template."""


class ClassifyRequests:
    """Prepares requests to one model.

    Args:
        scoring: what the model's values mean.
        jobs: has texts run.
    """

    def __init__(self, scoring: LabelScoring, jobs: JobMaker) -> None:
        self._scoring = scoring
        self._jobs = jobs

    @property
    def by_task(self) -> dict[str, Prepare]:
        """What makes jobs, by the name of the task that a request is for."""
        return {"classify": self.classify, "zero-shot": self.zero_shot, "rerank": self.rerank}

    def classify(self, data: bytes) -> Job:
        """Texts, or pairs of texts."""
        message = messages.ClassifyInput.FromString(data)
        labels = self._scoring.labels
        top_k = top_k_asked(message.top_k if message.HasField("top_k") else None, len(labels))
        start = message.first_index
        answer = LabelsAnswer(labels, function_asked(message.function, self._scoring.function), top_k, start)
        if not message.second_texts:
            return self._jobs.singles(message.texts, message.truncation, start, answer)
        if len(message.second_texts) != len(message.texts):
            raise InvalidInputError.at("second_texts", "{field} must be as many as the texts")
        return self._jobs.pairs(
            message.texts, message.second_texts, message.truncation, lambda index: f"texts[{start + index}]", answer
        )

    def rerank(self, data: bytes) -> Job:
        """A query and documents, or a query for each document."""
        message = messages.RerankInput.FromString(data)
        if message.queries and len(message.queries) != len(message.documents):
            raise InvalidInputError.at("queries", "{field} must be as many as the documents")
        labels = self._scoring.labels
        if len(labels) != 1:
            raise PreconditionError(f"the model gives {len(labels)} labels for two texts; to rerank takes one score")
        start = message.first_index
        return self._jobs.pairs(
            message.queries or [message.query] * len(message.documents),
            message.documents,
            message.truncation,
            lambda index: f"documents[{start + index}]",
            ScoresAnswer(self._rerank(message.function), start),
        )

    def zero_shot(self, data: bytes) -> Job:
        """Texts, and labels of the request's own."""
        message = messages.ZeroShotInput.FromString(data)
        entailment = self._scoring.entailment
        if entailment is None or len(self._scoring.labels) < 2:
            known = ", ".join(self._scoring.labels[:8])
            raise PreconditionError(
                f"the model was not made to tell what entails what: none of its labels ({known}) starts with "
                "`entail`, which labels of the caller's own need"
            )
        if PLACE not in message.hypothesis_template:
            raise InvalidInputError.at("hypothesis_template", "{field} has no `{place}`, where labels go", place=PLACE)
        hypotheses = [message.hypothesis_template.replace(PLACE, label) for label in message.candidate_labels]
        count, start = len(hypotheses), message.first_index
        return self._jobs.pairs(
            [text for text in message.texts for _ in hypotheses],
            hypotheses * len(message.texts),
            message.truncation,
            lambda index: f"texts[{start + index // max(1, count)}]",
            EntailmentAnswer(count, entailment, message.multi_label, start),
            first_alone=True,
        )

    def _rerank(self, name: str) -> Function:
        if not name:
            return self._scoring.rerank_function
        if name == "softmax":
            raise InvalidInputError.at("function", "{field} is `softmax`, which makes 1 of any score by itself")
        return function_asked(name, self._scoring.function)
