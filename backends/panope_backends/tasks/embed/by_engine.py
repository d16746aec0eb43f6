"""Requests to embed, of engines that take texts themselves: what they do not do, is done here or refused by name."""

from __future__ import annotations

import re
from concurrent.futures import Future
from dataclasses import dataclass

from panope.worker.v1 import embed_pb2 as messages
from panope_backends.api import EmbeddingModel, EmbeddingRequest, Embeddings
from panope_backends.api.embedding_model import refused_field
from panope_backends.errors import InternalError, InvalidInputError
from panope_backends.tasks.embed.head import normalize
from panope_backends.tasks.embed.images.requests import TASK, refuse_images
from panope_backends.tasks.embed.multi_vectors import refuse_rerank
from panope_backends.tasks.engine_values import check_values
from panope_backends.tasks.task import DeviceJob, LoadedTask
from panope_backends.tasks.token_shares import token_shares
from panope_backends.tasks.tokenize.requests import without_tokenizer

_POSITION = re.compile(r"(?P<name>texts|token_sequences)\[(?P<index>\d+)\]")

#: How far from 1 the length of a vector is that was scaled to it.
_LENGTH_TOLERANCE = 1e-2


@dataclass
class EngineJob(DeviceJob):
    """Texts on their way: the engine has them since the job was made, so those of many jobs run at once.

    Attributes:
        found: the vectors to come.
        count: of texts.
        width: of the vectors, as the engine gave them in its trial run.
        dimensions: to keep; 0 for all.
        normalize: whether vectors are scaled to length 1 here.
        first_index: the position in the call of the first text.
    """

    found: Future[Embeddings]
    count: int
    width: int
    dimensions: int
    normalize: bool
    first_index: int = 0

    def step(self) -> tuple[bytes, bool]:
        """Waits for the vectors."""
        try:
            found = self.found.result()
        except InvalidInputError as error:
            raise error.renamed(self._in_call) from error
        check_values(found.vectors, (self.count, self.width))
        vectors = found.vectors[:, : self.dimensions] if self.dimensions else found.vectors
        if self.normalize:
            vectors = normalize(vectors)
        message = messages.EmbedOutput(
            vectors=vectors.astype("<f4", copy=False).tobytes(),
            dimensions=vectors.shape[1],
            token_counts=found.token_counts or token_shares(found.tokens, self.count),
            truncated_indices=[self.first_index + index for index in found.truncated],
        )
        return message.SerializeToString(), True

    def _in_call(self, path: str) -> str:
        """A field with the position that a text has in the call."""
        found = _POSITION.fullmatch(path)
        return path if found is None else f"{found['name']}[{int(found['index']) + self.first_index}]"


class EngineRequests:
    """Makes jobs for one model.

    Args:
        model: that embeds.

    Attributes:
        dimensions: of its vectors.
        unit_length: whether they have length 1 by themselves.
    """

    def __init__(self, model: EmbeddingModel) -> None:
        self._model = model
        tried = model.embed(EmbeddingRequest(texts=("a",))).result().vectors
        if tried.shape[0] != 1:
            raise InternalError("the trial run of the model gave no vector")
        self.dimensions = tried.shape[1]
        self.unit_length = bool(abs(float((tried**2).sum()) ** 0.5 - 1) < _LENGTH_TOLERANCE)

    def prepare(self, data: bytes) -> DeviceJob:
        """The job of a message; its texts are on their way when it returns.

        Raises:
            InvalidInputError: a field of the request is wrong for this model.
        """
        message = messages.EmbedInput.FromString(data)
        request = EmbeddingRequest(
            tuple(message.texts),
            tuple(tuple(sequence.ids) for sequence in message.token_sequences),
            message.truncation,
            message.normalize if message.HasField("normalize") else None,
            message.prompt_name,
        )
        self._check(message, request)
        count = len(request.texts) + len(request.token_sequences)
        is_cut = message.HasField("dimensions")
        scales = request.normalize is True or (request.normalize is None and self.unit_length and is_cut)
        return EngineJob(
            self._model.embed(request), count, self.dimensions, message.dimensions, scales, message.first_index
        )

    def _check(self, message: messages.EmbedInput, request: EmbeddingRequest) -> None:
        if bool(request.texts) == bool(request.token_sequences):
            raise InvalidInputError.at("texts", "{field} or token sequences must be given, and not both")
        self._model.require_supported(request)
        if message.purpose:
            raise refused_field("purpose")
        if message.HasField("dimensions") and not 1 <= message.dimensions <= self.dimensions:
            raise InvalidInputError.at(
                "dimensions",
                "{field} is {value:,}; the model has 1 to {limit:,}",
                value=message.dimensions,
                limit=self.dimensions,
            )


def engine_task(model: EmbeddingModel) -> LoadedTask:
    """The task of a model that embeds texts itself, after a trial.

    Raises:
        PanopeError: it does not embed.
    """
    requests = EngineRequests(model)
    facts = messages.EmbedFacts(
        dimensions=requests.dimensions, max_tokens=model.max_tokens, normalize=requests.unit_length
    )
    answers = {"embed": requests.prepare, TASK: refuse_images, "rerank": refuse_rerank, **without_tokenizer()}
    return LoadedTask(model, {}, answers, facts=facts.SerializeToString())
