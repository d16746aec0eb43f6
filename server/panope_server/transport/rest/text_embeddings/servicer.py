"""Serves the routes of TEI and of the Inference API; where the path names no model, the default one answers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
from google.api.httpbody_pb2 import HttpBody

from panope.rest.v1 import text_embeddings_service_pb2_grpc as pb_grpc
from panope.rest.v1.path_pb2 import ModelPathWithBody, ModelTaskPathWithBody, NoPath
from panope_backends.errors import InvalidInputError
from panope_server.config import Settings
from panope_server.pipeline.call import Call
from panope_server.tasks.task import Input
from panope_server.tasks.tokenize import DetokenizeInput, DetokenizeOutput, TokenizeInput, TokenizeOutput
from panope_server.transport.generation.names import TASK as GENERATE
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interfaces import Models, Pipeline
from panope_server.transport.rest.classification.classify import TASKS as CLASSIFICATIONS
from panope_server.transport.rest.classification.classify import Asked, Classifying
from panope_server.transport.rest.embedding.inputs import Input as TextsOfBody
from panope_server.transport.rest.embedding.inputs import read_input
from panope_server.transport.rest.embedding.options import EmbedOptions, Wanted
from panope_server.transport.rest.embedding.run import answered, embed
from panope_server.transport.rest.embedding.vectors import matrix_of, of_length_one, vectors_json
from panope_server.transport.rest.generation.responses import Responder
from panope_server.transport.rest.hugging_face.calls import call_with, model_of
from panope_server.transport.rest.hugging_face.outline import outline_of
from panope_server.transport.rest.hugging_face.schemas import CallOptions, EmbedBody
from panope_server.transport.rest.hugging_face.text_to_text.writer import TextWriter
from panope_server.transport.rest.hugging_face.texts.answering import QUESTIONS, answer_questions
from panope_server.transport.rest.hugging_face.texts.filling import TASK as MASKS
from panope_server.transport.rest.hugging_face.texts.filling import fill_masks
from panope_server.transport.rest.hugging_face.texts.recognition import text_task
from panope_server.transport.rest.hugging_face.texts.table_answering import TABLES, answer_table_questions
from panope_server.transport.rest.json.query import query_of, unknown_of
from panope_server.transport.rest.json.requests import RequestBody, off_loop
from panope_server.transport.rest.json.responses import encoded_response, in_pieces, json_response
from panope_server.transport.rest.json.unknown_fields import UnknownFields
from panope_server.transport.rest.text_embeddings.errors import in_its_shape
from panope_server.transport.rest.text_embeddings.info import info_json
from panope_server.transport.rest.text_embeddings.schemas import (
    DecodeBody,
    EmbedAllBody,
    EmbedSparseBody,
    SimilarityBody,
    TokenizeBody,
)
from panope_server.transport.rest.text_embeddings.scores import predict, rank
from panope_server.transport.rest.text_embeddings.similarity import similarities, similarity_work
from panope_server.transport.rest.text_embeddings.sparse_vectors import sparse_json
from panope_server.transport.rest.text_embeddings.token_vectors import token_vectors
from panope_server.transport.rest.text_embeddings.tokens import tokens_json
from panope_server.transport.rest.text_generation.errors import in_its_shape as in_generations_shape
from panope_server.transport.rest.text_generation.generator import TextGenerator
from panope_server.transport.rest.text_generation.info import generation_info
from panope_server.transport.rest.text_generation.recognition import GENERATION, generates
from panope_server.transport.services import Services

_NAMES = {"texts": "inputs", "token_sequences": "inputs"}
_TASK = "embed"
#: The tasks whose default model /info tells of, the first that has one.
_TOLD = (_TASK, GENERATE, "rerank", "classify")
#: The Inference API's tasks of models that embed.
_TASKS = ("feature-extraction", "sentence-similarity")
#: Those of models that read texts.
_READERS = {QUESTIONS: answer_questions, TABLES: answer_table_questions, MASKS: fill_masks}

_EMBED = RequestBody(EmbedBody)
_SIMILARITY = RequestBody(SimilarityBody)
_TOKENIZE = RequestBody(TokenizeBody)
_DECODE = RequestBody(DecodeBody)
_EMBED_ALL = RequestBody(EmbedAllBody)
_EMBED_SPARSE = RequestBody(EmbedSparseBody)


class TextEmbeddingsServicer(pb_grpc.TextEmbeddingsServiceServicer):
    """Serves panope.rest.v1.TextEmbeddingsService."""

    def __init__(self, pipeline: Pipeline, models: Models, settings: Settings) -> None:
        self._pipeline = pipeline
        self._models = models
        self._settings = settings
        self._classifying = Classifying(pipeline, models)
        report = settings.unknown_fields == "report"
        writer = TextWriter(pipeline, report_unknown=report)
        self._writers = {"summarization": writer.summarize, "translation": writer.translate}
        self._generate = in_generations_shape(TextGenerator(Responder(pipeline), report_unknown=report).answer)

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        servicer = cls(services.pipeline, services.models, services.settings)
        pb_grpc.add_TextEmbeddingsServiceServicer_to_server(servicer, server)

    @in_its_shape
    async def EmbedTexts(self, request: HttpBody, context: Context) -> HttpBody:
        """Embeds texts."""
        return await self._embed("", request, context, "EmbedTexts")

    async def Run(self, request: HttpBody, context: Context) -> AsyncIterator[HttpBody]:
        """Embeds, compares, classifies or generates, by the form of the body and the model's task."""
        async for message in self._run_any("", request, context, "Run"):
            yield message

    async def RunModel(self, request: ModelPathWithBody, context: Context) -> AsyncIterator[HttpBody]:
        """As Run, with the model of the path."""
        async for message in self._run_any(request.model, request.body, context, "RunModel"):
            yield message

    async def RunPipeline(self, request: ModelTaskPathWithBody, context: Context) -> AsyncIterator[HttpBody]:
        """Runs the task of the path."""
        async for message in self._run_task(request, context):
            yield message

    @in_its_shape
    async def Similarity(self, request: HttpBody, context: Context) -> HttpBody:
        """Compares a sentence with others."""
        return await self._compare("", request, context, "Similarity")

    @in_its_shape
    async def EmbedAll(self, request: HttpBody, context: Context) -> HttpBody:
        """Gives the vector of each token."""
        unknown = self._unknown(context)
        body = await off_loop(len(request.data), _EMBED_ALL.read, request, unknown)
        if body.truncate:
            raise InvalidInputError("`truncate` must be `false` here: no text is cut", field="truncate")
        single = isinstance(body.inputs, str)
        texts = [body.inputs] if isinstance(body.inputs, str) else body.inputs

        async def run(call: Call) -> object:
            return await answered(self._pipeline, call, _NAMES, single=single)

        printed = await token_vectors(
            *(run, self._models, texts, context, _interface("EmbedAll")),
            model=model_of(body.model),
            single=single,
            prompt_name=body.prompt_name,
        )
        unknown.tell(context)
        return encoded_response(b"[" + b",".join(printed) + b"]")

    @in_its_shape
    async def Tokenize(self, request: HttpBody, context: Context) -> HttpBody:
        """Splits texts into tokens."""
        unknown = self._unknown(context)
        body = await off_loop(len(request.data), _TOKENIZE.read, request, unknown)
        single = isinstance(body.inputs, str)
        texts = [body.inputs] if isinstance(body.inputs, str) else body.inputs
        call = _call(context, model_of(body.model), TokenizeInput(texts, body.add_special_tokens), "Tokenize")
        answer = await answered(self._pipeline, call, _NAMES, single=single)
        assert isinstance(answer, TokenizeOutput)
        printed = await off_loop(len(request.data), tokens_json, texts, answer.texts)
        unknown.tell(context)
        return encoded_response(printed)

    @in_its_shape
    async def Decode(self, request: HttpBody, context: Context) -> HttpBody:
        """Joins token ids into texts."""
        unknown = self._unknown(context)
        body = await off_loop(len(request.data), _DECODE.read, request, unknown)
        given = await off_loop(len(request.data), read_input, body.ids, "ids")
        if given.texts:
            raise InvalidInputError("`ids` must be token ids, or lists of them", field="ids")
        call = _call(
            context, model_of(body.model), DetokenizeInput(given.token_sequences, body.skip_special_tokens), "Decode"
        )
        answer = await answered(self._pipeline, call, {"token_sequences": "ids"}, single=given.single)
        assert isinstance(answer, DetokenizeOutput)
        unknown.tell(context)
        return json_response(answer.texts)

    @in_its_shape
    async def Rerank(self, request: HttpBody, context: Context) -> HttpBody:
        """Scores texts by a query."""
        return await rank(self._pipeline, request, context, _interface("Rerank"), self._unknown(context))

    @in_its_shape
    async def Predict(self, request: HttpBody, context: Context) -> HttpBody:
        """Classifies texts."""
        return await predict(self._pipeline, request, context, _interface("Predict"), self._unknown(context))

    @in_its_shape
    async def EmbedSparse(self, request: HttpBody, context: Context) -> HttpBody:
        """Gives sparse vectors."""
        unknown = self._unknown(context)
        body = await off_loop(len(request.data), _EMBED_SPARSE.read, request, unknown)
        single = isinstance(body.inputs, str)
        options = EmbedOptions(
            truncate=body.truncate, truncation_direction=body.truncation_direction, prompt_name=body.prompt_name
        )
        wanted = Wanted(options)
        texts = [body.inputs] if isinstance(body.inputs, str) else body.inputs
        task_input = wanted.embed_input(TextsOfBody(texts, [], single=single), direction_alone=True)
        call = _call(context, model_of(body.model), task_input, "EmbedSparse")
        answer = await embed(self._pipeline, call, wanted.names | _NAMES, single=single)
        printed = await off_loop(len(answer.sparse_vectors) << 12, sparse_json, answer)
        unknown.tell(context)
        return encoded_response(printed)

    @in_its_shape
    async def Info(self, request: NoPath, context: Context) -> HttpBody:
        """Tells about the default model."""
        query_of(context)
        for task in _TOLD:
            if (name := await self._models.default_for(task)) is not None:
                break
        else:
            raise InvalidInputError("there is no default model; the setting `default_model` names one", field="model")
        view = await self._models.get(name)
        view = view if view.embed or view.generate or view.classify else await self._models.load(name)
        if view.generate is not None:
            return json_response(generation_info(view, view.generate, self._settings))
        return json_response(info_json(view, self._settings))

    async def _run_any(self, model: str, request: HttpBody, context: Context, method: str) -> AsyncIterator[HttpBody]:
        outline = await off_loop(len(request.data), outline_of, request.data)
        if reads := await text_task(self._models, model, outline):
            for message in in_pieces(await in_its_shape(self._read)(reads, model, request, context, method)):
                yield message
            return
        generation = await generates(self._models, model, outline)
        if await self._classifying.recognises(model, outline, generates=generation):
            for message in in_pieces(await in_its_shape(self._classify)(model, request, context, method)):
                yield message
            return
        if generation:
            async for message in self._generate(request, context, _interface(method), path_model=model):
                yield message
            return
        run = in_its_shape(self._compare if outline.inputs == "{" else self._embed)
        for message in in_pieces(await run(model, request, context, method)):
            yield message

    async def _run_task(self, request: ModelTaskPathWithBody, context: Context) -> AsyncIterator[HttpBody]:
        if request.task == GENERATION:
            interface = _interface("RunPipeline")
            async for message in self._generate(request.body, context, interface, path_model=request.model):
                yield message
            return
        run = in_its_shape(self._run_other_task)
        for message in in_pieces(await run(request, context)):
            yield message

    async def _run_other_task(self, request: ModelTaskPathWithBody, context: Context) -> HttpBody:
        if writes := self._writers.get(request.task):
            return await writes(request.model, request.body, context, _interface("RunPipeline"))
        unknown = self._unknown(context)  # a parameter may pose as the task
        if request.task in CLASSIFICATIONS:
            asked = Asked(request.model, _interface("RunPipeline"), request.task)
            return await self._classifying.answer(asked, request.body, context, unknown)
        if request.task in _READERS:
            return await self._read(request.task, request.model, request.body, context, "RunPipeline")
        if request.task not in _TASKS:
            served = (*_TASKS, *_READERS, *self._writers, *CLASSIFICATIONS, GENERATION)
            known = ", ".join(f"`{task}`" for task in served)
            raise InvalidInputError(
                f"the task of the path must be one of {known}",
                reason="task_not_served",
                field="task",
            )
        run = self._embed if request.task == "feature-extraction" else self._compare
        return await run(request.model, request.body, context, "RunPipeline")

    async def _read(self, task: str, model: str, request: HttpBody, context: Context, method: str) -> HttpBody:
        interface = _interface(method)
        return await _READERS[task](self._pipeline, model, request, context, self._unknown(context), interface)

    async def _classify(self, path_model: str, request: HttpBody, context: Context, method: str) -> HttpBody:
        return await self._classifying.answer(
            Asked(path_model, _interface(method)), request, context, self._unknown(context)
        )

    async def _embed(self, path_model: str, request: HttpBody, context: Context, method: str) -> HttpBody:
        unknown = self._unknown(context)
        body = await off_loop(len(request.data), _EMBED.read, request, unknown)
        wanted = Wanted(body, body.parameters, "parameters")
        given = await off_loop(len(request.data), read_input, body.inputs, "inputs")
        task_input = wanted.embed_input(given, direction_alone=True)
        call = _call(context, model_of(body.model, path_model), task_input, method, body.options)
        answer = await embed(self._pipeline, call, wanted.names | _NAMES, single=given.single)
        matrix = matrix_of(answer)
        if task_input.normalize is None:  # TEI's default, whatever the model's files say; the model is not asked for it
            matrix = await off_loop(len(answer.vectors), of_length_one, matrix)
        encoding = wanted.options.encoding_format or "float"
        vectors = await vectors_json(matrix, encoding, lambda _, vector: vector)
        unknown.tell(context)
        return encoded_response(vectors)

    async def _compare(self, path_model: str, request: HttpBody, context: Context, method: str) -> HttpBody:
        unknown = self._unknown(context)
        body = await off_loop(len(request.data), _SIMILARITY.read, request, unknown)
        wanted = Wanted(body, body.parameters, "parameters")
        model, task_input = model_of(body.model, path_model), similarity_work(body, wanted)
        call = _call(context, model, task_input, method, body.options)
        cosines = await similarities(self._pipeline, call, wanted.names)
        unknown.tell(context)
        return json_response(cosines)

    def _unknown(self, context: Context) -> UnknownFields:
        return unknown_of(context, report=self._settings.unknown_fields == "report")


def _interface(method: str) -> str:
    return f"TextEmbeddingsService/{method}"


def _call(context: Context, model: str, task_input: Input, method: str, options: CallOptions | None = None) -> Call:
    return call_with(options, context, model=model, task_input=task_input, task=_TASK, interface=_interface(method))
