"""Serves the routes that classify and rerank."""

from __future__ import annotations

import uuid

import grpc
from google.api.httpbody_pb2 import HttpBody

from panope.rest.v1 import classification_service_pb2_grpc as pb_grpc
from panope.rest.v1.path_pb2 import ModelPathWithBody
from panope_backends.errors import InvalidInputError
from panope_server.observability.end_user import note_end_user
from panope_server.tasks.rerank import RerankInput, RerankOutput
from panope_server.transport.interceptors.context import Context, call_for
from panope_server.transport.interfaces import Models, Pipeline
from panope_server.transport.rest.classification import vllm
from panope_server.transport.rest.classification.classify import Asked, Classifying
from panope_server.transport.rest.classification.schemas import RerankBody, RerankJson, RerankResultJson
from panope_server.transport.rest.embedding.run import answered
from panope_server.transport.rest.hugging_face.outline import outline_of
from panope_server.transport.rest.json.query import unknown_of
from panope_server.transport.rest.json.requests import RequestBody, off_loop
from panope_server.transport.rest.json.responses import json_response
from panope_server.transport.rest.json.unknown_fields import UnknownFields
from panope_server.transport.services import Services

_RERANK = RequestBody(RerankBody)
_NAMES = {"truncation": "truncation", "function": "raw_scores"}


class ClassificationServicer(pb_grpc.ClassificationServiceServicer):
    """Serves panope.rest.v1.ClassificationService."""

    def __init__(self, pipeline: Pipeline, models: Models, *, report_unknown: bool = False) -> None:
        self._pipeline = pipeline
        self._classifying = Classifying(pipeline, models)
        self._report_unknown = report_unknown

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        report = services.settings.unknown_fields == "report"
        servicer = cls(services.pipeline, services.models, report_unknown=report)
        pb_grpc.add_ClassificationServiceServicer_to_server(servicer, server)

    async def Classify(self, request: HttpBody, context: Context) -> HttpBody:
        """Classifies with the model of the body."""
        interface = "ClassificationService/Classify"
        outline = await off_loop(len(request.data), outline_of, request.data)
        if "input" in outline.fields:
            return await vllm.classify(self._pipeline, request, context, interface, self._unknown(context))
        return await self._classifying.answer(Asked("", interface), request, context, self._unknown(context))

    async def ClassifyModel(self, request: ModelPathWithBody, context: Context) -> HttpBody:
        """Classifies with the model of the path."""
        asked = Asked(request.model, "ClassificationService/ClassifyModel")
        return await self._classifying.answer(asked, request.body, context, self._unknown(context))

    async def ScoreTexts(self, request: HttpBody, context: Context) -> HttpBody:
        """Scores pairs of texts."""
        interface = "ClassificationService/ScoreTexts"
        return await vllm.score(self._pipeline, request, context, interface, self._unknown(context))

    async def RerankDocuments(self, request: HttpBody, context: Context) -> HttpBody:
        """Scores documents by a query."""
        unknown = self._unknown(context)
        body = await off_loop(len(request.data), _RERANK.read, request, unknown)
        note_end_user(body.user)
        task_input = _input_of(body)
        call = call_for(
            context,
            model=body.model or "",
            task_input=task_input,
            task="rerank",
            interface="ClassificationService/RerankDocuments",
        )
        answer = await answered(self._pipeline, call, _NAMES, single=False)
        assert isinstance(answer, RerankOutput)
        unknown.tell(context)
        tokens = sum(answer.token_counts)
        ranked = answer.ranked(body.top_n)
        told: RerankJson = {
            "id": f"rerank-{uuid.uuid4().hex}",
            "model": call.model,
            "results": [_result(index, score, task_input, body) for index, score in ranked],
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
        return json_response(told)

    def _unknown(self, context: Context) -> UnknownFields:
        return unknown_of(context, report=self._report_unknown)


def _input_of(body: RerankBody) -> RerankInput:
    if body.truncate_prompt_tokens is not None and body.truncation is not None:
        raise InvalidInputError(
            "`truncate_prompt_tokens` and `truncation` exclude each other", field="truncate_prompt_tokens"
        )
    cuts = body.truncation or body.truncate_prompt_tokens is not None
    return RerankInput(
        body.query,
        [document if isinstance(document, str) else document.text for document in body.documents],
        truncation="end" if cuts else "refuse",
        function="none" if body.raw_scores else "",
        top_n=body.top_n,
    )


def _result(index: int, score: float, task_input: RerankInput, body: RerankBody) -> RerankResultJson:
    result: RerankResultJson = {"index": index, "relevance_score": score}
    if body.return_documents:
        result["document"] = {"text": task_input.documents[index]}
    return result
