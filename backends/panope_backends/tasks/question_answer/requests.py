"""Makes jobs of the messages of the task question-answer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from panope.worker.v1 import text_pb2 as messages
from panope_backends.errors import InvalidInputError
from panope_backends.tasks.embed.tokenizers.tokenizer import TextTokenizer
from panope_backends.tasks.question_answer.reader import Reader
from panope_backends.tasks.question_answer.spans import Answer, best_spans, joined_answers
from panope_backends.tasks.question_answer.windows import Window, WindowMaker
from panope_backends.tasks.task import Rows, SequenceJob

#: Spans beside those that are asked for, as transformers takes them: some are parts of one word.
_MORE_SPANS = 10


class QuestionAnswerJob(SequenceJob):
    """The answers to questions.

    Args:
        message: of the request.
        questions: the windows of each.
        tokenizer: of the model.
    """

    def __init__(
        self, message: messages.QuestionAnswerInput, questions: Sequence[Sequence[Window]], tokenizer: TextTokenizer
    ) -> None:
        self.sequences = [tokenizer.row_of(window.encoding) for windows in questions for window in windows]
        self._message = message
        self._questions = questions
        self._start_id = tokenizer.start_id

    def answer(self, rows: Rows) -> bytes:
        """The best of all windows."""
        output = messages.QuestionAnswerOutput()
        first = 0
        for windows, context in zip(self._questions, self._message.contexts, strict=True):
            answers = self._answers(context, windows, rows[first : first + len(windows)])
            first += len(windows)
            output.questions.add(
                answers=[
                    messages.Answer(answer=found.text, score=found.score, start=found.start, end=found.end)
                    for found in answers
                ]
            )
            output.token_counts.append(sum(len(window.encoding) for window in windows))
        return output.SerializeToString()

    def _answers(self, context: str, windows: Sequence[Window], rows: Rows) -> list[Answer]:
        message = self._message
        count = message.top_k * 2 + _MORE_SPANS if message.align_to_words else message.top_k
        spans, none = [], 1.0
        for window, row in zip(windows, rows, strict=True):
            starts = window.starts(self._start_id)
            found, no_answer = best_spans(row, window.context, starts, count, message.max_answer_len)
            spans.append((found, partial(window.place, by_words=message.align_to_words)))
            none = min(none, no_answer)
        return joined_answers(context, spans, none if message.handle_impossible_answer else None, message.top_k)


class QuestionAnswerRequests:
    """Prepares requests to one model.

    Args:
        reader: the model.
        tokenizer: of the model.
    """

    def __init__(self, reader: Reader, tokenizer: TextTokenizer) -> None:
        self._tokenizer = tokenizer
        self._windows = WindowMaker(tokenizer, reader.max_tokens, reader.vocabulary_size)

    def question_answer(self, data: bytes) -> QuestionAnswerJob:
        """Makes windows of the contexts.

        Raises:
            InvalidInputError: names the field and the limit.
        """
        message = messages.QuestionAnswerInput.FromString(data)
        if not message.questions or len(message.questions) != len(message.contexts):
            raise InvalidInputError.at("contexts", "{field} must be as many as the questions, and at least one")
        for name in ("top_k", "max_answer_len"):
            if getattr(message, name) < 1:
                raise InvalidInputError.at(name, "{field} must be at least 1")
        given = [
            getattr(message, name) if message.HasField(name) else None
            for name in ("max_seq_len", "doc_stride", "max_question_len")
        ]
        sizes = self._windows.sizes(*given)
        questions = [
            self._windows.windows(question, context, index, sizes)
            for index, (question, context) in enumerate(
                zip(message.questions, message.contexts, strict=True), message.first_index
            )
        ]
        return QuestionAnswerJob(message, questions, self._tokenizer)
