"""Hugging Face's bodies."""

from __future__ import annotations

from typing import Annotated, Literal

from google.api.httpbody_pb2 import HttpBody
from msgspec import Meta, Raw, Struct

from panope.rest.v1 import hugging_face_service_pb2_grpc as pb_grpc
from panope.rest.v1.path_pb2 import ModelPathWithBody
from panope_backends.errors import InvalidInputError
from panope_server.transport.context import Context, call_for
from panope_server.transport.ports import Models, Pipeline
from panope_server.transport.rest.bodies import Body, off_loop, printed_body
from panope_server.transport.rest.embedding import embed
from panope_server.transport.rest.query import query_of
from panope_server.transport.rest.texts import Input, read_input
from panope_server.transport.rest.vectors import Encoding, matrix_of, vectors_json
from panope_server.work import EmbedWork

_NAMES = {"texts": "inputs", "token_sequences": "inputs", "truncation": "truncate"}


class EmbedBody(Struct, forbid_unknown_fields=True):
    """POST /v1/embed: what InferenceClient.feature_extraction sends, and `model`.

    Attributes:
        inputs: a text, texts, token ids, or lists of token ids.
        model: absent for the model of the path, or for the default model.
        truncate: whether to cut a text that is too long instead of refusing it.
        truncation_direction: the side that is cut; `right` unless given.
    """

    inputs: Raw
    model: Annotated[str, Meta(min_length=1)] | None = None
    normalize: bool | None = None
    prompt_name: str | None = None
    truncate: bool | None = None
    truncation_direction: Literal["left", "right", "Left", "Right"] | None = None
    dimensions: Annotated[int, Meta(ge=1)] | None = None
    encoding_format: Encoding | None = None


_EMBED = Body(EmbedBody)


class HuggingFaceServicer(pb_grpc.HuggingFaceServiceServicer):
    """Serves panope.rest.v1.HuggingFaceService."""

    def __init__(self, pipeline: Pipeline, models: Models) -> None:
        self._pipeline = pipeline
        self._models = models

    async def Embed(self, request: HttpBody, context: Context) -> HttpBody:
        """Embeds with the model of the body."""
        return await self._embed("", request, context, "HuggingFaceService/Embed")

    async def EmbedModel(self, request: ModelPathWithBody, context: Context) -> HttpBody:
        """Embeds with the model of the path."""
        return await self._embed(request.model, request.body, context, "HuggingFaceService/EmbedModel")

    async def _embed(self, path_model: str, request: HttpBody, context: Context, interface: str) -> HttpBody:
        query_of(context)
        body = _EMBED.read(request)
        if path_model and body.model not in {None, path_model}:
            raise InvalidInputError("`model` is not the model of the path", field="model")
        given = await off_loop(len(request.data), read_input, body.inputs, "inputs")
        call = call_for(
            context, model=path_model or body.model or "", work=_work(body, given), task="embed", interface=interface
        )
        answer = await embed(self._pipeline, call, _NAMES, single=given.single)
        return printed_body(
            await vectors_json(matrix_of(answer), body.encoding_format or "float", lambda _, vector: vector)
        )


def _work(body: EmbedBody, given: Input) -> EmbedWork:
    if body.truncation_direction and not body.truncate:
        raise InvalidInputError(
            "`truncation_direction` has no effect without `truncate`: true", field="truncation_direction"
        )
    truncation = "refuse"
    if body.truncate:
        truncation = "start" if body.truncation_direction in {"left", "Left"} else "end"
    return EmbedWork(
        given.texts,
        given.token_sequences,
        truncation=truncation,
        normalize=body.normalize,
        dimensions=body.dimensions,
        prompt_name=body.prompt_name,
    )
