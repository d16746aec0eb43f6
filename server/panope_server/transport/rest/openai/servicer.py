"""Serves OpenAI's routes."""

from __future__ import annotations

import grpc
import orjson
from google.api.httpbody_pb2 import HttpBody

from panope.rest.v1 import openai_service_pb2_grpc as pb_grpc
from panope.rest.v1.path_pb2 import ModelPath, NoPath
from panope_registry.models.types import ModelFilter
from panope_server.observability.end_user import note_end_user
from panope_server.runtime.status import ModelView
from panope_server.transport.interceptors.context import Context, call_for
from panope_server.transport.interfaces import Models, Pipeline
from panope_server.transport.paging import MAX_PAGE_SIZE
from panope_server.transport.rest.embedding.image_inputs import read_any_input
from panope_server.transport.rest.embedding.options import Wanted
from panope_server.transport.rest.embedding.run import embed
from panope_server.transport.rest.embedding.vectors import matrix_of, vectors_json
from panope_server.transport.rest.json.query import boolean_of, number_of, query_of, unknown_of
from panope_server.transport.rest.json.requests import RequestBody, off_loop
from panope_server.transport.rest.json.responses import encoded_response, json_response
from panope_server.transport.rest.openai.model_list import all_models
from panope_server.transport.rest.openai.schemas import EmbeddingsBody, ModelJson, ModelsJson
from panope_server.transport.services import Services

_NAMES = {"texts": "input", "token_sequences": "input", "images": "input"}

#: Azure's clients say the version that they speak.
_NEUTRAL = ("api-version",)


_EMBEDDINGS = RequestBody(EmbeddingsBody)


class OpenAiServicer(pb_grpc.OpenAiServiceServicer):
    """Serves panope.rest.v1.OpenAiService."""

    def __init__(self, pipeline: Pipeline, models: Models, *, report_unknown: bool = False) -> None:
        self._pipeline = pipeline
        self._models = models
        self._report_unknown = report_unknown

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        report = services.settings.unknown_fields == "report"
        servicer = cls(services.pipeline, services.models, report_unknown=report)
        pb_grpc.add_OpenAiServiceServicer_to_server(servicer, server)

    async def CreateEmbeddings(self, request: HttpBody, context: Context) -> HttpBody:
        """Embeds texts, token ids or images."""
        unknown = unknown_of(context, _NEUTRAL, report=self._report_unknown)
        body = await off_loop(len(request.data), _EMBEDDINGS.read, request, unknown)
        wanted = Wanted(body, body.extra_body, "extra_body")
        given = await off_loop(len(request.data), read_any_input, body.input, "input")
        note_end_user(body.user)
        task_input = wanted.any_input(given, own_ids=False)
        call = call_for(
            context,
            model=body.model,
            task_input=task_input,
            task="embed",
            interface="OpenAiService/CreateEmbeddings",
            hardware=body.hardware,
        )
        answer = await embed(self._pipeline, call, wanted.names | _NAMES, single=given.single)
        data = await vectors_json(matrix_of(answer), wanted.options.encoding_format or "float", _embedding)
        tokens = sum(answer.token_counts)
        unknown.tell(context)
        rest = {"model": call.model, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}
        return encoded_response(b'{"object":"list","data":' + data + b"," + orjson.dumps(rest)[1:])

    async def ListModels(self, request: NoPath, context: Context) -> HttpBody:
        """Lists all models, or those that the query asks for; `limit` makes pages of them."""
        query = query_of(context, (*_NEUTRAL, "task", "format", "prefix", "loaded", "limit", "after"))
        only = ModelFilter(query.get("task", ""), query.get("format", ""), query.get("prefix", ""))
        loaded, after = boolean_of(query, "loaded"), query.get("after", "")
        limit = number_of(query, "limit", default=0, least=1, most=MAX_PAGE_SIZE)
        if limit:
            views = await self._models.list(only, loaded=loaded, after=after, limit=limit + 1)
        else:
            views = await all_models(self._models, only, loaded, after)
        told: ModelsJson = {
            "object": "list",
            "data": [_model(view) for view in views[: limit or None]],
            "has_more": bool(limit) and len(views) > limit,
        }
        return json_response(told)

    async def GetModel(self, request: ModelPath, context: Context) -> HttpBody:
        """Tells about one model."""
        query_of(context, _NEUTRAL)
        return json_response(_model(await self._models.get(request.model)))


def _embedding(index: int, vector: object) -> object:
    return {"object": "embedding", "index": index, "embedding": vector}


def _model(view: ModelView) -> ModelJson:
    return {
        "id": view.name,
        "object": "model",
        "created": int(view.created_at.timestamp()),
        "owned_by": view.name.partition("/")[0] if "/" in view.name else "panope",
        "task": view.task,
        "state": view.state.value,
        "alias_of": view.alias_of,
        "parent": view.base_model or None,
    }
