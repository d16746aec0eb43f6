"""Serves Hugging Face's routes of one task."""

from __future__ import annotations

import grpc
from google.api.httpbody_pb2 import HttpBody

from panope.rest.v1 import hugging_face_service_pb2_grpc as pb_grpc
from panope.rest.v1.path_pb2 import ModelPathWithBody
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interfaces import Models, Pipeline
from panope_server.transport.rest.embedding.image_inputs import Images, read_any_input
from panope_server.transport.rest.embedding.inputs import Input
from panope_server.transport.rest.embedding.options import EmbedOptions, Wanted
from panope_server.transport.rest.embedding.run import embed
from panope_server.transport.rest.embedding.vectors import matrix_of, vectors_json
from panope_server.transport.rest.hugging_face.calls import call_with, model_of
from panope_server.transport.rest.hugging_face.image_bodies import image_of, is_image
from panope_server.transport.rest.hugging_face.image_text.writer import ImageTextWriter
from panope_server.transport.rest.hugging_face.schemas import CallOptions, EmbedBody
from panope_server.transport.rest.hugging_face.text_to_text.writer import TextWriter
from panope_server.transport.rest.hugging_face.texts.answering import answer_questions
from panope_server.transport.rest.hugging_face.texts.filling import fill_masks
from panope_server.transport.rest.hugging_face.texts.table_answering import answer_table_questions
from panope_server.transport.rest.json.query import unknown_of
from panope_server.transport.rest.json.requests import RequestBody, off_loop
from panope_server.transport.rest.json.responses import encoded_response
from panope_server.transport.rest.json.unknown_fields import UnknownFields
from panope_server.transport.services import Services

_NAMES = {"texts": "inputs", "token_sequences": "inputs", "images": "inputs"}


_EMBED = RequestBody(EmbedBody)


class HuggingFaceServicer(pb_grpc.HuggingFaceServiceServicer):
    """Serves panope.rest.v1.HuggingFaceService."""

    def __init__(self, pipeline: Pipeline, models: Models, *, report_unknown: bool = False) -> None:
        self._pipeline = pipeline
        self._models = models
        self._report_unknown = report_unknown
        self._writer = TextWriter(pipeline, report_unknown=report_unknown)
        self._images = ImageTextWriter(pipeline, models, report_unknown=report_unknown)

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        report = services.settings.unknown_fields == "report"
        servicer = cls(services.pipeline, services.models, report_unknown=report)
        pb_grpc.add_HuggingFaceServiceServicer_to_server(servicer, server)

    async def Embed(self, request: HttpBody, context: Context) -> HttpBody:
        """Embeds with the model of the body."""
        return await self._embed("", request, context, "HuggingFaceService/Embed")

    async def EmbedModel(self, request: ModelPathWithBody, context: Context) -> HttpBody:
        """Embeds with the model of the path."""
        return await self._embed(request.model, request.body, context, "HuggingFaceService/EmbedModel")

    async def Summarize(self, request: HttpBody, context: Context) -> HttpBody:
        """Summarizes with the model of the body."""
        return await self._writer.summarize("", request, context, "HuggingFaceService/Summarize")

    async def SummarizeModel(self, request: ModelPathWithBody, context: Context) -> HttpBody:
        """Summarizes with the model of the path."""
        interface = "HuggingFaceService/SummarizeModel"
        return await self._writer.summarize(request.model, request.body, context, interface)

    async def Translate(self, request: HttpBody, context: Context) -> HttpBody:
        """Translates with the model of the body."""
        return await self._writer.translate("", request, context, "HuggingFaceService/Translate")

    async def TranslateModel(self, request: ModelPathWithBody, context: Context) -> HttpBody:
        """Translates with the model of the path."""
        interface = "HuggingFaceService/TranslateModel"
        return await self._writer.translate(request.model, request.body, context, interface)

    async def AnswerVisualQuestion(self, request: HttpBody, context: Context) -> HttpBody:
        """Answers with the model of the body."""
        return await self._images.answer("", request, context, "HuggingFaceService/AnswerVisualQuestion")

    async def AnswerVisualQuestionModel(self, request: ModelPathWithBody, context: Context) -> HttpBody:
        """Answers with the model of the path."""
        interface = "HuggingFaceService/AnswerVisualQuestionModel"
        return await self._images.answer(request.model, request.body, context, interface)

    async def AnswerDocumentQuestion(self, request: HttpBody, context: Context) -> HttpBody:
        """Answers with the model of the body."""
        interface = "HuggingFaceService/AnswerDocumentQuestion"
        return await self._images.answer_document("", request, context, interface)

    async def AnswerDocumentQuestionModel(self, request: ModelPathWithBody, context: Context) -> HttpBody:
        """Answers with the model of the path."""
        interface = "HuggingFaceService/AnswerDocumentQuestionModel"
        return await self._images.answer_document(request.model, request.body, context, interface)

    async def DescribeImage(self, request: HttpBody, context: Context) -> HttpBody:
        """Writes with the model of the body, or the default one."""
        return await self._images.write("", request, context, "HuggingFaceService/DescribeImage")

    async def DescribeImageModel(self, request: ModelPathWithBody, context: Context) -> HttpBody:
        """Writes with the model of the path."""
        interface = "HuggingFaceService/DescribeImageModel"
        return await self._images.write(request.model, request.body, context, interface)

    async def AnswerQuestion(self, request: HttpBody, context: Context) -> HttpBody:
        """Answers questions with the model of the body."""
        interface = "HuggingFaceService/AnswerQuestion"
        return await answer_questions(self._pipeline, "", request, context, self._unknown(context), interface)

    async def AnswerQuestionModel(self, request: ModelPathWithBody, context: Context) -> HttpBody:
        """Answers questions with the model of the path."""
        interface, unknown = "HuggingFaceService/AnswerQuestionModel", self._unknown(context)
        return await answer_questions(self._pipeline, request.model, request.body, context, unknown, interface)

    async def AnswerTableQuestion(self, request: HttpBody, context: Context) -> HttpBody:
        """Answers questions about a table with the model of the body."""
        interface = "HuggingFaceService/AnswerTableQuestion"
        return await answer_table_questions(self._pipeline, "", request, context, self._unknown(context), interface)

    async def AnswerTableQuestionModel(self, request: ModelPathWithBody, context: Context) -> HttpBody:
        """Answers questions about a table with the model of the path."""
        interface, unknown = "HuggingFaceService/AnswerTableQuestionModel", self._unknown(context)
        return await answer_table_questions(self._pipeline, request.model, request.body, context, unknown, interface)

    async def FillMask(self, request: HttpBody, context: Context) -> HttpBody:
        """Fills masks with the model of the body."""
        interface = "HuggingFaceService/FillMask"
        return await fill_masks(self._pipeline, "", request, context, self._unknown(context), interface)

    async def FillMaskModel(self, request: ModelPathWithBody, context: Context) -> HttpBody:
        """Fills masks with the model of the path."""
        interface, unknown = "HuggingFaceService/FillMaskModel", self._unknown(context)
        return await fill_masks(self._pipeline, request.model, request.body, context, unknown, interface)

    def _unknown(self, context: Context) -> UnknownFields:
        return unknown_of(context, report=self._report_unknown)

    async def _embed(self, path_model: str, request: HttpBody, context: Context, interface: str) -> HttpBody:
        unknown = self._unknown(context)
        options: CallOptions | None = None
        if is_image(request, context):
            model, wanted = path_model, Wanted(EmbedOptions())
            given: Input | Images = Images([image_of(request)], single=True)
        else:
            body = await off_loop(len(request.data), _EMBED.read, request, unknown)
            options, model = body.options, model_of(body.model, path_model)
            wanted = Wanted(body, body.parameters, "parameters")
            given = await off_loop(len(request.data), read_any_input, body.inputs, "inputs")
        task_input = wanted.any_input(given)
        call = call_with(options, context, model=model, task_input=task_input, task="embed", interface=interface)
        answer = await embed(self._pipeline, call, wanted.names | _NAMES, single=given.single)
        encoding = wanted.options.encoding_format or "float"
        vectors = await vectors_json(matrix_of(answer), encoding, lambda _, vector: vector)
        unknown.tell(context)
        return encoded_response(vectors)
