# Generated from panope_client/aio/text_calls.py by clients/python/generate.py; do not edit.
"""Calls that answer questions by texts, and fill masks in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Unpack

from panope.v1.text_service_pb2 import AnswerQuestionResponse, AnswerTableQuestionResponse, FillMaskResponse
from panope_client.arguments import Priority
from panope_client.messages.text import (
    AnswerQuestionOptions,
    AnswerTableQuestionOptions,
    FillMaskOptions,
    answer_question_request,
    answer_table_question_request,
    fill_mask_request,
)
from panope_client.sync.connection import Connection


class TextCalls(Connection):
    """The calls of `Client` on models that read texts."""

    def answer_question(
        self,
        questions: Sequence[str],
        contexts: Sequence[str],
        model: str,
        *,
        priority: Priority | None = None,
        timeout: float | None = None,
        **options: Unpack[AnswerQuestionOptions],
    ) -> AnswerQuestionResponse:
        """Answers questions by parts of the texts given with them.

        Args:
            questions: at least one, none empty, no more than the server's limit.
            contexts: the text that has the answer to each.
            model: `vendor/name`, of the task `question-answer`.
            priority: see the class.
            timeout: see the class.
            options: see `AnswerQuestionOptions`.
        """
        request = answer_question_request(questions, contexts, model, options)
        return self._call(self._text.AnswerQuestion, request, timeout, priority)

    def answer_table_question(
        self,
        table: Mapping[str, Sequence[object]],
        questions: Sequence[str],
        model: str,
        *,
        priority: Priority | None = None,
        timeout: float | None = None,
        **options: Unpack[AnswerTableQuestionOptions],
    ) -> AnswerTableQuestionResponse:
        """Answers questions by the cells of a table.

        Args:
            table: the cells of each column by the column's name, as many in each; what is no text becomes one.
            questions: at least one, none empty, no more than 32.
            model: `vendor/name`, of the task `table-question-answer`.
            priority: see the class.
            timeout: see the class.
            options: see `AnswerTableQuestionOptions`.
        """
        request = answer_table_question_request(table, questions, model, options)
        return self._call(self._text.AnswerTableQuestion, request, timeout, priority)

    def fill_mask(
        self,
        texts: Sequence[str],
        model: str,
        *,
        priority: Priority | None = None,
        timeout: float | None = None,
        **options: Unpack[FillMaskOptions],
    ) -> FillMaskResponse:
        """Tells the tokens that fill the masks of texts, the likeliest first.

        Args:
            texts: at least one, each with a mask as the model writes it.
            model: `vendor/name`, of the task `fill-mask`.
            priority: see the class.
            timeout: see the class.
            options: see `FillMaskOptions`.
        """
        return self._call(self._text.FillMask, fill_mask_request(texts, model, options), timeout, priority)
