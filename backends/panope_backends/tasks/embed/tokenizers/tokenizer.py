"""Texts to token ids and back, by the tokenizer that transformers makes of the model's files."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Encoding, Tokenizer

from panope.worker.v1 import tokenize_pb2 as messages
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.tasks.embed.tokenizers.prepared import PreparedTokenizer, Side
from panope_backends.tasks.task import TokenRow

#: In transformers' order.
_CLEANED = (
    *((" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"), (" 's", "'s")),
    *((" 've", "'ve"), (" 're", "'re")),
)


class TextTokenizer:
    """One model's tokenizer; safe to call from several threads.

    Attributes:
        pad_id: the id that fills short texts up.
        padding_side: where they are filled up.
        vocabulary_size: how many ids it has.
        highest_id: of those that it gives.
        unknown_id: of the token for what the vocabulary lacks; None when there is none.
        start_id: of the token that starts a text; None when there is none, or nobody asked.
        mask_id: of the token that stands for what is masked; likewise.
        marks_subwords: whether tokens that continue a word have a mark.
        type_ids_vary: whether single texts have token types other than 0.

    Raises:
        PreconditionError: the prepared tokenizer is broken.
    """

    most_characters = 0
    """Of one text, whatever the model takes; 0 for any."""

    def __init__(self, prepared: PreparedTokenizer) -> None:
        try:
            tokenizer = Tokenizer.from_str(bytes(prepared.tokenizer).decode())
        except Exception:  # the library raises nothing narrower
            raise PreconditionError("the model's prepared tokenizer is broken") from None
        # A property of the library's object that its serialised form leaves out.
        tokenizer.encode_special_tokens = prepared.splits_special_tokens
        # tokenizer.json often fixes a length; padding and truncation are the task's business.
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        self._gives_types = prepared.gives_token_types
        self._special_ids = frozenset(prepared.special_ids)
        self.pad_id = prepared.pad_id
        self.padding_side: Side = prepared.padding_side
        self.vocabulary_size = tokenizer.get_vocab_size(with_added_tokens=True)
        self.highest_id = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=0)
        self.unknown_id = prepared.unknown_id
        self.start_id, self.mask_id = prepared.start_id, prepared.mask_id
        self._cleans_up = prepared.cleans_up
        self.marks_subwords = bool(getattr(tokenizer.model, "continuing_subword_prefix", None))
        sample = tokenizer.encode("a")
        self.type_ids_vary = prepared.gives_token_types and any(sample.type_ids)
        around = _around(sample.ids, sample.special_tokens_mask)
        self._before, self._after = ([], []) if prepared.cuts_plainly else around

    def is_like(self, other: TextTokenizer) -> bool:
        """Whether another gives every text the same tokens."""
        return self._special_ids == other._special_ids and self._tokenizer.to_str() == other._tokenizer.to_str()

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, special tokens included."""
        # encode_batch_fast: without offsets, and, unlike `encode`, without holding the interpreter lock.
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))]

    def truncate(self, ids: Sequence[int], limit: int, side: str, keep_leading: int = 0) -> list[int]:
        """Cuts `ids` to `limit`, keeping the special tokens around the text.

        Args:
            ids: of one text, longer than `limit`.
            limit: ids that are left.
            side: `end` or `start`, where ids are cut off.
            keep_leading: leading ids, such as a prompt's, that stay when ids are cut off at the start.
        """
        before, after = self.around(ids)
        before = max(before, keep_leading if side == "start" else 0)
        room = limit - before - after
        if room < 0:
            return list(ids[:limit]) if side == "end" else list(ids[-limit:])
        text = ids[before : len(ids) - after]
        kept = text[:room] if side == "end" else text[len(text) - room :]
        return [*ids[:before], *kept, *ids[len(ids) - after :]]

    def around(self, ids: Sequence[int]) -> tuple[int, int]:
        """How many special tokens stand before a text and after it."""
        before = len(self._before) if list(ids[: len(self._before)]) == self._before else 0
        after = len(self._after) if list(ids[len(ids) - len(self._after) :]) == self._after else 0
        return before, after

    def kept_positions(self, ids: Sequence[int], limit: int, side: str) -> list[int]:
        """The positions that `truncate` leaves of `ids`; all of them where there are no more than `limit`."""
        if len(ids) <= limit:
            return list(range(len(ids)))
        before, after = self.around(ids)
        room = max(0, limit - before - after)
        start = before if side == "end" else len(ids) - after - room
        return [*range(before), *range(start, start + room), *range(len(ids) - after, len(ids))][:limit]

    def encode_places(self, texts: Sequence[str]) -> list[Encoding]:
        """Tokens of each text with their places in it, special tokens included."""
        return self._tokenizer.encode_batch(list(texts))

    def encode_apart(self, texts: Sequence[str]) -> list[Encoding]:
        """Tokens of each text with their places and words, without special tokens."""
        return self._tokenizer.encode_batch(list(texts), add_special_tokens=False)

    def joined(self, first: Encoding, second: Encoding) -> Encoding:
        """Two texts with the special tokens of a pair."""
        return self._tokenizer.post_process(first, second, True)

    @property
    def pair_tokens(self) -> int:
        """How many special tokens a pair of texts gets."""
        return self._tokenizer.num_special_tokens_to_add(True)

    def row_of(self, encoding: Encoding) -> TokenRow:
        """As the model sees it."""
        return TokenRow(encoding.ids, type_ids=encoding.type_ids if self._gives_types else ())

    def id_of(self, token: str) -> int | None:
        """The id of a token as the vocabulary has it; None where it has none."""
        return self._tokenizer.token_to_id(token)

    def token_of(self, token_id: int) -> str:
        """A token as the vocabulary has it; empty where it has none."""
        return self._tokenizer.id_to_token(token_id) or ""

    def texts_of(self, sequences: Sequence[Sequence[int]], *, skip_special: bool) -> list[str]:
        """The texts of token ids, as transformers writes them."""
        texts = self._tokenizer.decode_batch([list(ids) for ids in sequences], skip_special_tokens=skip_special)
        return [cleaned(text) for text in texts] if self._cleans_up else texts

    def spell(self, tokens: Sequence[str]) -> str:
        """The text that tokens spell, as transformers joins them."""
        decoder = self._tokenizer.decoder
        return str(decoder.decode(list(tokens))) if decoder is not None else " ".join(tokens)

    def encode_pairs(
        self,
        first: Sequence[str],
        second: Sequence[str],
        limit: int = 0,
        *,
        side: str = "end",
        first_alone: bool = False,
    ) -> list[tuple[TokenRow, int]]:
        """The ids of two texts each, special tokens included, and how many there were before a cut.

        Args:
            first: texts.
            second: as many.
            limit: ids that are left; 0 for all.
            side: `end` or `start`, where ids are cut off: those of the longer text first, as transformers does.
            first_alone: whether the second texts stay whole.
        """
        texts = list(dict.fromkeys((*first, *second)))  # one of two is often the same in all
        whole = dict(zip(texts, self._tokenizer.encode_batch(texts, add_special_tokens=False), strict=True))
        special = self._tokenizer.num_special_tokens_to_add(True)
        return [
            self._pair(whole[a], whole[b], limit, special, side, first_alone)
            for a, b in zip(first, second, strict=True)
        ]

    def _pair(
        self, first: Encoding, second: Encoding, limit: int, special: int, side: str, first_alone: bool
    ) -> tuple[TokenRow, int]:
        tokens = len(first) + len(second) + special
        if limit and tokens > limit:
            room = limit - special
            kept = (max(0, room - len(second)), len(second)) if first_alone else shares(len(first), len(second), room)
            first, second = (_cut(text, length, side) for text, length in zip((first, second), kept, strict=True))
        joined = self._tokenizer.post_process(first, second, True)
        return TokenRow(joined.ids, type_ids=joined.type_ids if self._gives_types else ()), tokens

    def prompt_tokens(self, prompt: str) -> int:
        """How many ids a prompt takes at the start of a text, special tokens before it included."""
        (ids,) = self.encode([prompt])
        # As sentence-transformers counts: one token that closes the text does not belong to the prompt.
        return len(ids) - (1 if ids and ids[-1] in self._special_ids else 0)

    def tokenize(self, message: messages.TokenizeInput) -> messages.TokenizeOutput:
        """Splits texts into tokens."""
        encodings = self._tokenizer.encode_batch(list(message.texts), add_special_tokens=message.add_special_tokens)
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
        sequences = [sequence.ids for sequence in message.token_sequences]
        for index, ids in enumerate(sequences):
            check_ids(ids, self.highest_id + 1, f"token_sequences[{index}]")
        texts = self._tokenizer.decode_batch(
            [list(ids) for ids in sequences], skip_special_tokens=message.skip_special_tokens
        )
        return messages.DetokenizeOutput(texts=texts)


def cleaned(text: str) -> str:
    """A text without the blanks that transformers takes out where `clean_up_tokenization_spaces` is set."""
    for blank, without in _CLEANED:
        text = text.replace(blank, without)
    return text


def shares(first: int, second: int, room: int) -> tuple[int, int]:
    """What is left of two lengths in less room: the longer loses first, as by transformers' `longest_first`."""
    shorter, longer = sorted((first, second))
    longer = shorter if shorter > room else max(shorter, room - shorter)
    if shorter + longer > room:
        shorter, longer = room // 2, room // 2 + room % 2
    return (longer, shorter) if first > second else (shorter, longer)


def _cut(text: Encoding, length: int, side: str) -> Encoding:
    if len(text) <= length:
        return text
    copy = Encoding.merge([text], growing_offsets=False)  # it may stand in other pairs
    copy.truncate(length, direction="right" if side == "end" else "left")
    return copy


def check_ids(ids: Sequence[int], vocabulary_size: int, field: str) -> None:
    """Refuses an empty sequence and ids outside the vocabulary.

    Raises:
        InvalidInputError: names `field`, the id and the limit.
    """
    if not ids:
        raise InvalidInputError.at(field, "{field} is empty")
    if (highest := max(ids)) >= vocabulary_size:
        raise InvalidInputError.at(
            field,
            "{field} has the id {id:,}; the model's vocabulary ends at {last:,}",
            id=highest,
            last=vocabulary_size - 1,
        )


def _around(ids: Sequence[int], special: Sequence[int]) -> tuple[list[int], list[int]]:
    """The ids that the tokenizer puts before and after a text."""
    first = next((index for index, flag in enumerate(special) if not flag), len(special))
    last = next((index for index, flag in enumerate(reversed(special)) if not flag), 0)
    return list(ids[:first]), list(ids[len(ids) - last :])
