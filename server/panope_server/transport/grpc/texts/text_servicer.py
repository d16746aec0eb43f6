"""TextService: translates and delegates."""

from __future__ import annotations

from collections.abc import Sequence

import grpc

from panope.v1 import text_service_pb2 as pb
from panope.v1 import text_service_pb2_grpc as pb_grpc
from panope_server.tasks.fill_mask import Filling, FillMaskInput, FillMaskOutput
from panope_server.tasks.question_answer import QuestionAnswerInput, QuestionAnswerOutput
from panope_server.tasks.table_question_answer import TableAnswer, TableQuestionInput, TableQuestionOutput
from panope_server.transport.grpc.fields import known
from panope_server.transport.grpc.texts.calls import TRUNCATIONS, run
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interfaces import Pipeline
from panope_server.transport.services import Services

#: The others have the same names in a request and in the input.
_NO_OPTIONS = frozenset({"model", "questions", "contexts"})


class TextServicer(pb_grpc.TextServiceServicer):
    """Serves panope.v1.TextService."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        pb_grpc.add_TextServiceServicer_to_server(cls(services.pipeline), server)

    async def AnswerQuestion(self, request: pb.AnswerQuestionRequest, context: Context) -> pb.AnswerQuestionResponse:
        """Answers questions by parts of texts."""
        given = {field.name: value for field, value in request.ListFields() if field.name not in _NO_OPTIONS}
        task_input = QuestionAnswerInput(
            list(request.questions),
            list(request.contexts),
            **given,
        )
        answer, model = await run(
            self._pipeline,
            context,
            request.model,
            task_input,
            QuestionAnswerOutput,
            task="question-answer",
            interface="TextService/AnswerQuestion",
        )
        return pb.AnswerQuestionResponse(
            model=model,
            questions=[
                pb.QuestionAnswers(
                    answers=[pb.Answer(answer=a.answer, score=a.score, start=a.start, end=a.end) for a in answers]
                )
                for answers in answer.answers
            ],
            token_counts=answer.token_counts,
        )

    async def AnswerTableQuestion(
        self, request: pb.AnswerTableQuestionRequest, context: Context
    ) -> pb.AnswerTableQuestionResponse:
        """Answers questions by the cells of a table."""
        task_input = TableQuestionInput(
            list(request.table.columns),
            [list(row.cells) for row in request.table.rows],
            list(request.questions),
            request.sequential,
            truncation=known(TRUNCATIONS, request.truncation, "truncation"),
        )
        answer, model = await run(
            self._pipeline,
            context,
            request.model,
            task_input,
            TableQuestionOutput,
            task="table-question-answer",
            interface="TextService/AnswerTableQuestion",
        )
        return pb.AnswerTableQuestionResponse(
            model=model,
            answers=map(_table_answer, answer.answers),
            token_counts=answer.token_counts,
            truncated_indices=answer.truncated_indices,
        )

    async def FillMask(self, request: pb.FillMaskRequest, context: Context) -> pb.FillMaskResponse:
        """Fills the masks of texts."""
        task_input = FillMaskInput(
            list(request.texts),
            request.top_k if request.HasField("top_k") else 5,
            list(request.targets),
            truncation=known(TRUNCATIONS, request.truncation, "truncation"),
        )
        answer, model = await run(
            self._pipeline,
            context,
            request.model,
            task_input,
            FillMaskOutput,
            task="fill-mask",
            interface="TextService/FillMask",
        )
        return pb.FillMaskResponse(
            model=model,
            texts=[pb.FilledText(masks=map(_mask, masks)) for masks in answer.texts],
            token_counts=answer.token_counts,
            truncated_indices=answer.truncated_indices,
        )


def _table_answer(answer: TableAnswer) -> pb.TableAnswer:
    return pb.TableAnswer(
        answer=answer.answer,
        cells=[pb.TableCell(row=cell.row, column=cell.column, text=cell.text) for cell in answer.cells],
        aggregator=answer.aggregator,
        row_count=answer.row_count,
    )


def _mask(fillings: Sequence[Filling]) -> pb.FilledMask:
    return pb.FilledMask(
        fillings=[
            pb.MaskFilling(token_id=each.token_id, token=each.token, score=each.score, sequence=each.sequence)
            for each in fillings
        ]
    )
