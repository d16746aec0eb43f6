"""Questions with their contexts, in windows of the tokens that a model reads at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from tokenizers import Encoding

from panope_backends.errors import InvalidInputError
from panope_backends.tasks.embed.tokenizers.tokenizer import TextTokenizer, check_ids
from panope_backends.tasks.question_answer.spans import Flags, Span
from panope_backends.texts import most_characters

#: Of one context.
MAX_WINDOWS = 128

#: Of one context, however blank it is: tokens are made of all of it before it is known how many there are.
MAX_CHARACTERS = 1 << 18

#: transformers' numbers, where a request says nothing.
DEFAULT_WINDOW_TOKENS = 384
DEFAULT_STRIDE = 128


@dataclass(frozen=True, slots=True)
class WindowSizes:
    """How contexts are cut; see `QuestionAnswerInput`."""

    tokens: int
    stride: int
    question: int | None = None


@dataclass(slots=True)
class Window:
    """A part of a context with its question.

    Attributes:
        encoding: of both.
        sequence: which of two texts the context is.
        part: of the context by itself, whose tokens have their places: RoBERTa's kin take the blank before a word off
            each time that special tokens are put around, and in `encoding` that was once too often.
    """

    encoding: Encoding
    sequence: int
    part: Encoding

    @property
    def context(self) -> Flags:
        """Which tokens are the context's."""
        return np.array([sequence == self.sequence for sequence in self.encoding.sequence_ids])

    def starts(self, start_id: int | None) -> Flags:
        """Which tokens start a text."""
        return np.array([token == start_id for token in self.encoding.ids])

    def place(self, span: Span, *, by_words: bool) -> tuple[int, int]:
        """Where a span starts and ends in the context; by words it is made larger to whole ones, where they are known.

        Args:
            span: of the context's tokens.
            by_words: whether to look for words.
        """
        before = self.encoding.sequence_ids.index(self.sequence)
        from_, to, part = span.start - before, span.end - before, self.part
        first, last = part.token_to_word(from_), part.token_to_word(to)
        if by_words and first is not None and last is not None:
            start, end = part.word_to_chars(first), part.word_to_chars(last)
            if start is not None and end is not None:
                return start[0], end[1]
        return part.offsets[from_][0], part.offsets[to][1]


class WindowMaker:
    """Makes windows for one model.

    Args:
        tokenizer: of the model.
        max_tokens: that it reads at once.
        vocabulary_size: ids are below it.
    """

    def __init__(self, tokenizer: TextTokenizer, max_tokens: int, vocabulary_size: int) -> None:
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens
        self._vocabulary_size = vocabulary_size
        # As transformers does: a question behind its context is read as well from the right.
        self._question_first = tokenizer.padding_side == "right"

    def sizes(self, tokens: int | None, stride: int | None, question: int | None) -> WindowSizes:
        """What a request asks for, with the usual sizes where it says nothing.

        Raises:
            InvalidInputError: a size is more than the model takes, or leaves no room.
        """
        if tokens is not None and tokens > self._max_tokens:
            raise InvalidInputError.at(
                "max_seq_len",
                "{field} is {count:,}; the model takes at most {limit:,} tokens",
                count=tokens,
                limit=self._max_tokens,
            )
        window = tokens or min(DEFAULT_WINDOW_TOKENS, self._max_tokens)
        return WindowSizes(window, min(window // 2, DEFAULT_STRIDE) if stride is None else stride, question)

    def windows(self, question: str, context: str, index: int, sizes: WindowSizes) -> list[Window]:
        """The windows of one context.

        Args:
            question: about it.
            context: the text.
            index: the position in the call.
            sizes: of windows.

        Raises:
            InvalidInputError: names the question or the context, and the limit.
        """
        most = most_characters(self._max_tokens)
        _check_characters(f"questions[{index}]", question, most)
        _check_characters(f"contexts[{index}]", context, min(MAX_CHARACTERS, most * MAX_WINDOWS))
        asked, read = self._tokenizer.encode_apart([question, context])
        for name, encoding in (("questions", asked), ("contexts", read)):
            check_ids(encoding.ids, self._vocabulary_size, f"{name}[{index}]")
        if sizes.question is not None and len(asked) > sizes.question:
            asked.truncate(sizes.question)
        room = self._room(len(asked), index, sizes)
        self._check_count(len(read), room, index, sizes)
        if len(read) > room:
            read.truncate(room, sizes.stride)
        # Each by itself: pairs of parts that overflow would get the token types of single texts.
        return [self._window(asked, part) for part in (read, *read.overflowing)]

    def _window(self, asked: Encoding, part: Encoding) -> Window:
        pair = (asked, part) if self._question_first else (part, asked)
        return Window(self._tokenizer.joined(*pair), int(self._question_first), part)

    def _room(self, question: int, index: int, sizes: WindowSizes) -> int:
        room = sizes.tokens - question - self._tokenizer.pair_tokens
        if room < 1:
            raise InvalidInputError.at(
                f"questions[{index}]",
                "{field} has {count:,} tokens and leaves no room for its context in {limit:,}",
                count=question,
                limit=sizes.tokens,
            )
        return room

    def _check_count(self, tokens: int, room: int, index: int, sizes: WindowSizes) -> None:
        if tokens <= room:
            return
        if sizes.stride >= room:
            raise InvalidInputError.at(
                "doc_stride",
                "{field} is {stride:,}; it must be less than the {limit:,} tokens that the question at {index:,} "
                "leaves for its context",
                stride=sizes.stride,
                limit=room,
                index=index,
            )
        count = 1 + -(-(tokens - room) // (room - sizes.stride))
        if count > MAX_WINDOWS:
            raise InvalidInputError.at(
                f"contexts[{index}]",
                "{field} has {count:,} windows; the limit is {limit:,}",
                count=count,
                limit=MAX_WINDOWS,
            )


def _check_characters(field: str, text: str, most: int) -> None:
    if len(text) > most:
        raise InvalidInputError.at(
            field, "{field} has {count:,} characters; the model takes at most {limit:,}", count=len(text), limit=most
        )
