"""Makes jobs of the messages of the task token-classify."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from panope.worker.v1 import classify_pb2 as messages
from panope_backends.errors import InvalidInputError
from panope_backends.tasks.classify.classifier import Classifier
from panope_backends.tasks.classify.files import ClassifyFiles
from panope_backends.tasks.classify.functions import scores_of
from panope_backends.tasks.classify.sequences import check_truncation
from panope_backends.tasks.embed.tokenizers.tokenizer import TextTokenizer
from panope_backends.tasks.task import Rows, SequenceJob, TokenRow
from panope_backends.tasks.token_classify.entities import AGGREGATIONS, Entity, Token, entities_of, without_overlaps
from panope_backends.tasks.token_classify.pieces import Piece, PieceMaker


class TokenClassifyJob(SequenceJob):
    """The entities of texts.

    Args:
        message: of the request.
        pieces: that run, in the order of the texts.
        truncated: the positions in the call of texts that were cut.
        labels: by their ids.
        tokenizer: spells words.
    """

    def __init__(
        self,
        message: messages.TokenClassifyInput,
        pieces: Sequence[Piece],
        truncated: list[int],
        labels: Sequence[str],
        tokenizer: TextTokenizer,
    ) -> None:
        self.sequences = [TokenRow(piece.ids) for piece in pieces]
        self._message = message
        self._pieces = pieces
        self._truncated = truncated
        self._labels = labels
        self._tokenizer = tokenizer

    def answer(self, rows: Rows) -> bytes:
        """Joins tokens as asked, and pieces of one text."""
        count = len(self._message.texts)
        found: list[list[list[Entity]]] = [[] for _ in range(count)]
        tokens = [0] * count
        for piece, row in zip(self._pieces, rows, strict=True):
            found[piece.text].append(self._entities(piece, row))
            tokens[piece.text] += len(piece.positions)
        output = messages.TokenClassifyOutput(token_counts=tokens, truncated_indices=self._truncated)
        for parts in found:
            entities = parts[0] if len(parts) == 1 else without_overlaps([entity for part in parts for entity in part])
            output.texts.add(entities=[_message(entity) for entity in entities])
        return output.SerializeToString()

    def _entities(self, piece: Piece, row: Rows) -> list[Entity]:
        scores = scores_of(row, "softmax")
        tokens = tokens_of(self._message.texts[piece.text], piece, scores, self._tokenizer)
        ignored = frozenset(self._message.ignore_labels)
        found = entities_of(tokens, self._message.aggregation, self._labels, self._tokenizer.spell)
        return [entity for entity in found if entity.label not in ignored]


class TokenClassifyRequests:
    """Prepares requests to one model.

    Args:
        files: what the model's folder says.
        classifier: the model.
        tokenizer: of the model.
    """

    def __init__(self, files: ClassifyFiles, classifier: Classifier, tokenizer: TextTokenizer) -> None:
        self._labels = files.labels
        self._tokenizer = tokenizer
        self._pieces = PieceMaker(tokenizer, classifier.max_tokens, classifier.vocabulary_size)

    def token_classify(self, data: bytes) -> TokenClassifyJob:
        """Makes tokens of the texts and checks what was asked.

        Raises:
            InvalidInputError: names the field and the limit.
        """
        message = messages.TokenClassifyInput.FromString(data)
        check_truncation(message.truncation)
        if message.aggregation not in AGGREGATIONS:
            raise InvalidInputError.at("aggregation", "{field} must be one of {known}", known=", ".join(AGGREGATIONS))
        start = message.first_index
        if not message.HasField("stride"):
            pieces, truncated = self._pieces.whole(message.texts, message.truncation, start)
            return TokenClassifyJob(message, pieces, truncated, self._labels, self._tokenizer)
        if message.aggregation == "none":
            raise InvalidInputError.at("stride", "{field} needs tokens that are joined, and `none` joins none")
        if message.truncation != "refuse":
            raise InvalidInputError.at("stride", "{field} has every token run, so none is cut off")
        pieces = self._pieces.overlapping(message.texts, message.stride, start)
        return TokenClassifyJob(message, pieces, [], self._labels, self._tokenizer)


def tokens_of(text: str, piece: Piece, scores: Rows, tokenizer: TextTokenizer) -> list[Token]:
    """The tokens of a piece that stand for words.

    Args:
        text: the whole one.
        piece: of it.
        scores: tokens of the piece × labels.
        tokenizer: that made them.
    """
    encoding = piece.encoding
    ids, words, offsets, special = encoding.ids, encoding.tokens, encoding.offsets, encoding.special_tokens_mask
    found = []
    for index, (position, row) in enumerate(zip(piece.positions, scores, strict=True)):
        if special[position]:
            continue
        start, end = offsets[position]
        word, written = words[position], text[start:end]
        if ids[position] == tokenizer.unknown_id:
            word, is_subword = written, False
        elif tokenizer.marks_subwords:
            is_subword = len(word) != len(written)
        else:
            is_subword = start > 0 and " " not in text[start - 1 : start + 1]
        found.append(Token(word, np.asarray(row, np.float32), start, end, index, is_subword))
    return found


def _message(entity: Entity) -> messages.Entity:
    return messages.Entity(
        label=entity.label,
        score=entity.score,
        word=entity.word,
        start=entity.start,
        end=entity.end,
        index=entity.index,
    )
