"""Requests for tokens of texts and texts of tokens, answered by the tokenizer without the device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from panope.worker.v1 import tokenize_pb2 as messages
from panope_backends.errors import PreconditionError
from panope_backends.tasks.task import Answered, Job, Prepare
from panope_backends.texts import check_tokenize


class Tokenizer(Protocol):
    """A model's tokenizer; it may be called from several threads."""

    def tokenize(self, message: messages.TokenizeInput) -> messages.TokenizeOutput:
        """Splits texts into tokens."""

    def detokenize(self, message: messages.DetokenizeInput) -> messages.DetokenizeOutput:
        """Joins tokens into texts; InvalidInputError for an id that the vocabulary does not have."""


def tokenizer_requests(tokenizer: Tokenizer, max_tokens: int) -> Mapping[str, Prepare]:
    """The requests that a model with a tokenizer answers, by their tasks.

    Args:
        tokenizer: of the model.
        max_tokens: that the model takes, of one text.
    """

    def tokenize(data: bytes) -> Job:
        message = messages.TokenizeInput.FromString(data)
        if message.conversation:
            raise PreconditionError("the model has no chat template", reason="no_chat_template")
        check_tokenize(message.texts, max_tokens, ceiling=getattr(tokenizer, "most_characters", 0))
        return Answered(tokenizer.tokenize(message).SerializeToString())

    def detokenize(data: bytes) -> Job:
        return Answered(tokenizer.detokenize(messages.DetokenizeInput.FromString(data)).SerializeToString())

    return {"tokenize": tokenize, "detokenize": detokenize}


def without_tokenizer() -> Mapping[str, Prepare]:
    """The same requests, for a model that has no tokenizer: each is refused."""

    def refuse(_: bytes) -> Job:
        raise PreconditionError("the model has no tokenizer")

    return {"tokenize": refuse, "detokenize": refuse}
