"""Texts to token ids and back, for models that generate."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from panope.worker.v1 import tokenize_pb2 as messages
from panope_backends.errors import InvalidInputError
from panope_backends.generation.text.vocabulary import TokenVocabulary
from panope_backends.tasks.generate.tokenizer.prepared import PreparedChatTokenizer
from panope_backends.tasks.generate.tokenizer.source_encoder import SourceEncoder, read_tokenizer


class TextEncoder:
    """One model's tokenizer; safe to call from several threads.

    Attributes:
        tokenizer: the library's, of answers where texts are read by another.
        highest_id: of the ids that it gives.

    Raises:
        PreconditionError: the prepared tokenizer is broken.
    """

    def __init__(self, prepared: PreparedChatTokenizer) -> None:
        splits = prepared.splits_special_tokens
        self.tokenizer = read_tokenizer(prepared.tokenizer, splits_special_tokens=splits)
        self.highest_id = max(self.tokenizer.get_vocab(with_added_tokens=True).values(), default=0)
        source = prepared.source
        self._source = None if source is None else SourceEncoder(source, splits_special_tokens=splits)

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """The ids of a text."""
        if self._source is not None:
            return self._source.encode(text, add_special_tokens=add_special_tokens)
        # Unlike `encode`, it does not hold the interpreter lock.
        (encoding,) = self.tokenizer.encode_batch_fast([text], add_special_tokens=add_special_tokens)
        return encoding.ids

    def token_id(self, token: str) -> int | None:
        """The id of a token; None where there is no such token."""
        found = self.tokenizer.token_to_id(token)
        return None if found is None else int(found)

    @cached_property
    def vocabulary(self) -> TokenVocabulary:
        """The texts of its tokens."""
        return TokenVocabulary(self.tokenizer)

    def token_bytes(self, token_id: int) -> bytes:
        """What a token adds to a text."""
        return self.vocabulary.token_bytes(token_id)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, without special tokens."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def tokenize(self, message: messages.TokenizeInput) -> messages.TokenizeOutput:
        """Splits texts into tokens."""
        if self._source is not None:
            add = message.add_special_tokens
            made = [self._source.tokenize(text, add_special_tokens=add) for text in message.texts]
            return messages.TokenizeOutput(texts=made)
        encodings = self.tokenizer.encode_batch(list(message.texts), add_special_tokens=message.add_special_tokens)
        result = messages.TokenizeOutput()
        for encoding in encodings:
            starts, ends = zip(*encoding.offsets, strict=True) if encoding.offsets else ((), ())
            special = map(bool, encoding.special_tokens_mask)
            result.texts.add(ids=encoding.ids, tokens=encoding.tokens, starts=starts, ends=ends, special=special)
        return result

    def detokenize(self, message: messages.DetokenizeInput) -> messages.DetokenizeOutput:
        """Joins token ids into texts.

        Raises:
            InvalidInputError: an id that the vocabulary does not have.
        """
        sequences = [list(sequence.ids) for sequence in message.token_sequences]
        for index, ids in enumerate(sequences):
            if (highest := max(ids, default=0)) > self.highest_id:
                raise InvalidInputError.at(
                    f"token_sequences[{index}]",
                    "{field} has the id {id:,}; the model's vocabulary ends at {last:,}",
                    id=highest,
                    last=self.highest_id,
                )
        texts = self.tokenizer.decode_batch(sequences, skip_special_tokens=message.skip_special_tokens)
        return messages.DetokenizeOutput(texts=texts)
