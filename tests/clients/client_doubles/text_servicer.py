"""Answers and fillings that tell what was asked."""

# ruff: noqa: N802 -- gRPC names the methods

from __future__ import annotations

from client_doubles.calls import Calls, Context
from panope.v1 import text_service_pb2 as pb
from panope.v1 import text_service_pb2_grpc as pb_grpc


class TextServicer(Calls, pb_grpc.TextServiceServicer):
    """Each context is its answer, and each question about a table; each text is what fills it."""

    async def AnswerQuestion(self, request: pb.AnswerQuestionRequest, context: Context) -> pb.AnswerQuestionResponse:
        await self.enter(request, context)
        questions = [pb.QuestionAnswers(answers=[pb.Answer(answer=text, score=0.5)]) for text in request.contexts]
        return pb.AnswerQuestionResponse(model=request.model, questions=questions)

    async def AnswerTableQuestion(
        self, request: pb.AnswerTableQuestionRequest, context: Context
    ) -> pb.AnswerTableQuestionResponse:
        await self.enter(request, context)
        answers = [pb.TableAnswer(answer=text) for text in request.questions]
        return pb.AnswerTableQuestionResponse(model=request.model, answers=answers)

    async def FillMask(self, request: pb.FillMaskRequest, context: Context) -> pb.FillMaskResponse:
        await self.enter(request, context)
        masks = [pb.FilledMask(fillings=[pb.MaskFilling(token=text, score=0.5)]) for text in request.texts]
        return pb.FillMaskResponse(model=request.model, texts=[pb.FilledText(masks=[mask]) for mask in masks])
