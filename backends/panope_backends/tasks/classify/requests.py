"""Makes jobs of the messages of the tasks classify, zero-shot and rerank."""

from __future__ import annotations

from panope.worker.v1 import classify_pb2 as messages
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.tasks.classify.classifier import Classifier
from panope_backends.tasks.classify.files import ClassifyFiles
from panope_backends.tasks.classify.functions import FUNCTIONS, Function
from panope_backends.tasks.classify.jobs import ClassifyJob, RerankJob, ZeroShotJob
from panope_backends.tasks.classify.sequences import SequenceMaker
from panope_backends.tasks.embed.tokenizers.tokenizer import TextTokenizer

PLACE = "{}"
"""Where the label stands in a template."""


class ClassifyRequests:
    """Prepares requests to one model.

    Args:
        files: what the model's folder says.
        classifier: the model.
        tokenizer: of the model.
    """

    def __init__(self, files: ClassifyFiles, classifier: Classifier, tokenizer: TextTokenizer) -> None:
        self._files = files
        self._sequences = SequenceMaker(classifier, tokenizer)

    def classify(self, data: bytes) -> ClassifyJob:
        """Texts, or pairs of texts."""
        message = messages.ClassifyInput.FromString(data)
        labels = self._files.labels
        top_k = message.top_k if message.HasField("top_k") else len(labels)
        if top_k < 1:
            raise InvalidInputError.at("top_k", "{field} must be at least 1")
        start = message.first_index
        if message.second_texts:
            if len(message.second_texts) != len(message.texts):
                raise InvalidInputError.at("second_texts", "{field} must be as many as the texts")
            found = self._sequences.pairs(
                message.texts, message.second_texts, message.truncation, lambda index: f"texts[{start + index}]"
            )
            truncated = [start + index for index in found.truncated]
        else:
            found = self._sequences.singles(message.texts, message.truncation, start)
            truncated = found.truncated
        return ClassifyJob(found.rows, truncated, labels, self._function(message.function), min(top_k, len(labels)))

    def rerank(self, data: bytes) -> RerankJob:
        """A query and documents, or a query for each document."""
        message = messages.RerankInput.FromString(data)
        if message.queries and len(message.queries) != len(message.documents):
            raise InvalidInputError.at("queries", "{field} must be as many as the documents")
        if len(self._files.labels) != 1:
            raise PreconditionError(
                f"the model gives {len(self._files.labels)} labels for two texts; to rerank takes one score"
            )
        start = message.first_index
        found = self._sequences.pairs(
            message.queries or [message.query] * len(message.documents),
            message.documents,
            message.truncation,
            lambda index: f"documents[{start + index}]",
        )
        return RerankJob(found.rows, [start + index for index in found.truncated], self._rerank(message.function))

    def zero_shot(self, data: bytes) -> ZeroShotJob:
        """Texts, and labels of the request's own."""
        message = messages.ZeroShotInput.FromString(data)
        entailment = self._files.entailment
        if entailment is None or len(self._files.labels) < 2:
            known = ", ".join(self._files.labels[:8])
            raise PreconditionError(
                f"the model was not made to tell what entails what: none of its labels ({known}) starts with "
                "`entail`, which labels of the caller's own need"
            )
        if PLACE not in message.hypothesis_template:
            raise InvalidInputError.at("hypothesis_template", "{field} has no `{place}`, where labels go", place=PLACE)
        hypotheses = [message.hypothesis_template.replace(PLACE, label) for label in message.candidate_labels]
        count, start = len(hypotheses), message.first_index
        found = self._sequences.pairs(
            [text for text in message.texts for _ in hypotheses],
            hypotheses * len(message.texts),
            message.truncation,
            lambda index: f"texts[{start + index // max(1, count)}]",
            first_alone=True,
        )
        truncated = sorted({start + index // count for index in found.truncated})
        return ZeroShotJob(found.rows, truncated, count, entailment, message.multi_label)

    def _rerank(self, name: str) -> Function:
        if not name:
            return self._files.rerank_function
        if name == "softmax":
            raise InvalidInputError.at("function", "{field} is `softmax`, which makes 1 of any score by itself")
        return self._function(name)

    def _function(self, name: str) -> Function:
        if not name:
            return self._files.function
        found = next((function for function in FUNCTIONS if function == name), None)
        if found is None:
            raise InvalidInputError.at("function", "{field} must be one of {known}", known=", ".join(FUNCTIONS))
        return found
