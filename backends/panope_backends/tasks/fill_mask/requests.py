"""Makes jobs of the messages of the task fill-mask."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from panope.worker.v1 import text_pb2 as messages
from panope_backends.errors import InvalidInputError
from panope_backends.tasks.classify.functions import scores_of
from panope_backends.tasks.classify.sequences import check_truncation
from panope_backends.tasks.embed.tokenizers.tokenizer import TextTokenizer
from panope_backends.tasks.embed.tokenizers.tokenizing import tokenize
from panope_backends.tasks.fill_mask.filler import Filler
from panope_backends.tasks.task import Rows, SequenceJob, TokenRow

#: Of one text.
MAX_MASKS = 32

#: Tokens that are told of one text: each comes with the whole text spelt anew.
MAX_FILLINGS = 512


class FillMaskJob(SequenceJob):
    """What fills the masks of texts, as transformers' pipeline tells it.

    Args:
        message: of the request.
        texts: the ids of each.
        truncated: the positions in the call of texts that were cut.
        targets: the only ids that count; empty for all.
        filler: the model.
        tokenizer: of the model.
    """

    def __init__(
        self,
        message: messages.FillMaskInput,
        texts: Sequence[Sequence[int]],
        truncated: list[int],
        targets: Sequence[int],
        filler: Filler,
        tokenizer: TextTokenizer,
    ) -> None:
        self.sequences = [TokenRow(ids) for ids in texts]
        self._message = message
        self._truncated = truncated
        self._targets = np.array(targets, np.int64)
        self._mask_id = filler.mask_id
        self._tokenizer = tokenizer

    def answer(self, rows: Rows) -> bytes:
        """The likeliest tokens of each mask."""
        output = messages.FillMaskOutput(truncated_indices=self._truncated)
        for sequence, values in zip(self.sequences, rows, strict=True):
            masks = [at for at, token in enumerate(sequence.ids) if token == self._mask_id]
            text = output.texts.add()
            for place, row in zip(masks, scores_of(values, "softmax"), strict=True):
                text.masks.add(fillings=self._fillings(sequence.ids, place, row, alone=len(masks) == 1))
            output.token_counts.append(len(sequence.ids))
        return output.SerializeToString()

    def _fillings(self, ids: Sequence[int], place: int, scores: Rows, *, alone: bool) -> list[messages.Filling]:
        found = self._likeliest(scores)
        filled = [[*ids[:place], token, *ids[place + 1 :]] for token in found]
        kept = [[token for token in each if token != self._tokenizer.pad_id] for each in filled]
        tokens = self._tokenizer.texts_of([[token] for token in found], skip_special=False)
        # The other masks are special tokens too, and without them nobody would know where they were.
        texts = self._tokenizer.texts_of(kept, skip_special=alone)
        return [
            messages.Filling(token_id=token, token=word, score=float(scores[token]), sequence=text)
            for token, word, text in zip(found, tokens, texts, strict=True)
        ]

    def _likeliest(self, scores: Rows) -> list[int]:
        """The ids of the highest scores, the highest first; of equal ones the lower id."""
        count = min(self._message.top_k, len(self._targets) or len(scores))
        among = scores[self._targets] if len(self._targets) else scores
        part = np.argpartition(-among, count)[:count] if count < len(among) else np.arange(len(among))
        order = part[np.lexsort((part, -among[part]))]
        return [int(token) for token in (self._targets[order] if len(self._targets) else order)]


class FillMaskRequests:
    """Prepares requests to one model.

    Args:
        filler: the model.
        tokenizer: of the model.
    """

    def __init__(self, filler: Filler, tokenizer: TextTokenizer) -> None:
        self._filler = filler
        self._tokenizer = tokenizer

    def fill_mask(self, data: bytes) -> FillMaskJob:
        """Makes tokens of the texts and looks for their masks.

        Raises:
            InvalidInputError: names the field and the limit.
        """
        message = messages.FillMaskInput.FromString(data)
        check_truncation(message.truncation)
        if not message.texts:
            raise InvalidInputError.at("texts", "{field} is empty; give at least one")
        if message.top_k < 1:
            raise InvalidInputError.at("top_k", "{field} must be at least 1")
        targets = sorted({self._target(target, index) for index, target in enumerate(message.targets)})
        limit, start = self._filler.max_tokens, message.first_index
        texts = tokenize(
            self._tokenizer.encode,
            message.texts,
            "",
            max_tokens=limit,
            truncation=message.truncation,
            first_index=start,
        )
        kept = [ids if len(ids) <= limit else self._tokenizer.truncate(ids, limit, message.truncation) for ids in texts]
        for index, ids in enumerate(kept, start):
            self._check_masks(ids, message, len(targets), index)
        truncated = [index for index, ids in enumerate(texts, start) if len(ids) > limit]
        return FillMaskJob(message, kept, truncated, targets, self._filler, self._tokenizer)

    def _check_masks(self, ids: Sequence[int], message: messages.FillMaskInput, targets: int, index: int) -> None:
        masks = ids.count(self._filler.mask_id)
        if not masks:
            raise InvalidInputError.at(
                f"texts[{index}]",
                "{field} has no `{mask}`, which the model fills",
                mask=self._tokenizer.token_of(self._filler.mask_id),
            )
        if masks > MAX_MASKS:
            raise InvalidInputError.at(
                f"texts[{index}]", "{field} has {count:,} masks; the limit is {limit:,}", count=masks, limit=MAX_MASKS
            )
        if masks * min(message.top_k, targets or message.top_k) > MAX_FILLINGS:
            raise InvalidInputError.at(
                "top_k",
                "{field} may be at most {limit:,} for the {count:,} masks of the text at {index:,}",
                limit=MAX_FILLINGS // masks,
                count=masks,
                index=index,
            )

    def _target(self, target: str, index: int) -> int:
        """The id of a target, which may be spelt as the vocabulary has it or as texts have it."""
        found = self._tokenizer.id_of(target)
        if found is None:
            (encoding,) = self._tokenizer.encode_apart([target])
            found = encoding.ids[0] if len(encoding.ids) == 1 else None
        if found is None or found >= self._filler.vocabulary_size or found == self._tokenizer.unknown_id:
            raise InvalidInputError.at(f"targets[{index}]", "{field} is not one token of the model's vocabulary")
        return found
