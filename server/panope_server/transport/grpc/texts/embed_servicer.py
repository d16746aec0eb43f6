"""EmbedService: translates and delegates."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping
from typing import TypeVar

import grpc

from panope.v1 import embed_service_pb2 as pb
from panope.v1 import embed_service_pb2_grpc as pb_grpc
from panope_backends.errors import Field, InvalidInputError
from panope_server.config import Limits
from panope_server.tasks.embed import EmbedInput, EmbedOutput, Purpose
from panope_server.tasks.task import Input, Output
from panope_server.tasks.tokenize import DetokenizeInput, DetokenizeOutput, TokenizeInput, TokenizeOutput
from panope_server.tasks.vision.embed_images import EmbedImagesInput, EmbedImagesOutput, Pooling
from panope_server.transport.grpc.fields import known
from panope_server.transport.grpc.images import images_of
from panope_server.transport.grpc.streams import Window, answer_each
from panope_server.transport.grpc.texts.calls import TRUNCATIONS, run
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interfaces import Pipeline
from panope_server.transport.services import Services

TASK = "embed"

T = TypeVar("T", bound=Output)

#: Fields that do not go with images.
_EXCLUDED = ("texts", "token_sequences", "prompt_name")

_PURPOSES: Mapping[int, Purpose] = {
    pb.EMBED_PURPOSE_UNSPECIFIED: "",
    pb.EMBED_PURPOSE_QUERY: "query",
    pb.EMBED_PURPOSE_DOCUMENT: "document",
}

_POOLINGS: Mapping[int, Pooling] = {
    pb.IMAGE_POOLING_UNSPECIFIED: "",
    pb.IMAGE_POOLING_POOLER: "pooler",
    pb.IMAGE_POOLING_CLS: "cls",
    pb.IMAGE_POOLING_PATCH_MEAN: "patch_mean",
}


class EmbedServicer(pb_grpc.EmbedServiceServicer):
    """Serves panope.v1.EmbedService."""

    def __init__(self, pipeline: Pipeline, limits: Limits) -> None:
        self._pipeline = pipeline
        self._limits = limits

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        servicer = cls(services.pipeline, services.settings.limits)
        pb_grpc.add_EmbedServiceServicer_to_server(servicer, server)

    async def Embed(self, request: pb.EmbedRequest, context: Context) -> pb.EmbedResponse:
        """Embeds a batch."""
        return await self._embed(request, context, "Embed")

    async def StreamEmbed(
        self, request_iterator: AsyncIterator[pb.StreamEmbedRequest], context: Context
    ) -> AsyncIterator[pb.StreamEmbedResponse]:
        """Embeds one batch for each request."""

        def run(request: pb.EmbedRequest) -> Awaitable[pb.EmbedResponse]:
            return self._embed(request, context, "StreamEmbed")

        window = Window(self._limits, _size_of)
        async for response in answer_each(request_iterator, run, pb.StreamEmbedResponse, window):
            yield response

    async def Tokenize(self, request: pb.TokenizeRequest, context: Context) -> pb.TokenizeResponse:
        """Splits texts into tokens."""
        special = request.add_special_tokens if request.HasField("add_special_tokens") else True
        task_input = TokenizeInput(list(request.texts), special)
        answer, model = await self._run(request.model, context, task_input, TokenizeOutput, "Tokenize")
        texts = (pb.TokenizedText(ids=t.ids, tokens=t.tokens, starts=t.starts, ends=t.ends) for t in answer.texts)
        return pb.TokenizeResponse(model=model, texts=texts)

    async def Detokenize(self, request: pb.DetokenizeRequest, context: Context) -> pb.DetokenizeResponse:
        """Joins token ids into texts."""
        skip = request.skip_special_tokens if request.HasField("skip_special_tokens") else True
        task_input = DetokenizeInput([list(sequence.ids) for sequence in request.token_sequences], skip)
        answer, model = await self._run(request.model, context, task_input, DetokenizeOutput, "Detokenize")
        return pb.DetokenizeResponse(model=model, texts=answer.texts)

    async def _embed(self, request: pb.EmbedRequest, context: Context, method: str) -> pb.EmbedResponse:
        if request.images:
            asked = embed_images_input(request)
            found, model = await self._run(request.model, context, asked, EmbedImagesOutput, method)
            vectors = b"".join(found.images)
            count = len(found.images)
            return pb.EmbedResponse(model=model, vectors=vectors, count=count, dimensions=found.dimensions)
        answer, model = await self._run(request.model, context, embed_input(request), EmbedOutput, method)
        return pb.EmbedResponse(
            model=model,
            vectors=answer.vectors,
            count=_count(answer),
            dimensions=answer.dimensions,
            token_counts=answer.token_counts,
            truncated_indices=answer.truncated_indices,
            sparse_vectors=[pb.SparseVector(indices=v.indices, values=v.values) for v in answer.sparse_vectors],
            vector_counts=answer.vector_counts,
        )

    async def _run(self, model: str, context: Context, task_input: Input, kind: type[T], method: str) -> tuple[T, str]:
        interface = f"EmbedService/{method}"
        # Tokens are of models of every task; only who names none means one that embeds.
        task = TASK if kind in (EmbedOutput, EmbedImagesOutput) or not model else ""
        return await run(self._pipeline, context, model, task_input, kind, task=task, interface=interface)


def _count(answer: EmbedOutput) -> int:
    """How many vectors stand in the answer's bytes."""
    if answer.sparse_vectors:
        return 0
    return sum(answer.vector_counts) if answer.vector_counts else answer.count


def _size_of(request: pb.StreamEmbedRequest) -> tuple[int, int]:
    asked = request.request
    return len(asked.texts) + len(asked.token_sequences) + len(asked.images), request.ByteSize()


def embed_images_input(request: pb.EmbedRequest) -> EmbedImagesInput:
    """The input of a request that holds images.

    Raises:
        InvalidInputError: it holds texts too, or what is said of texts.
    """
    if request.purpose:
        raise InvalidInputError.at("purpose", "{field} is of texts, and these are images")
    for name in _EXCLUDED:
        if getattr(request, name):
            raise InvalidInputError.at(name, "{field} and {images} exclude each other", images=Field("images"))
    if known(TRUNCATIONS, request.truncation, "truncation") != "refuse":
        raise InvalidInputError.at("truncation", "{field} is of texts, and these are images")
    return EmbedImagesInput(
        images_of(request.images),
        normalize=request.normalize if request.HasField("normalize") else None,
        dimensions=request.dimensions if request.HasField("dimensions") else None,
        image_pooling=known(_POOLINGS, request.image_pooling, "image_pooling"),
    )


def embed_input(request: pb.EmbedRequest) -> EmbedInput:
    """The input of a request that holds texts.

    Raises:
        InvalidInputError: it says something of images.
    """
    if request.image_pooling:
        raise InvalidInputError.at("image_pooling", "{field} is of images, and there are none")
    return EmbedInput(
        texts=list(request.texts),
        token_sequences=[list(sequence.ids) for sequence in request.token_sequences],
        truncation=known(TRUNCATIONS, request.truncation, "truncation"),
        normalize=request.normalize if request.HasField("normalize") else None,
        dimensions=request.dimensions if request.HasField("dimensions") else None,
        prompt_name=request.prompt_name if request.HasField("prompt_name") else None,
        purpose=known(_PURPOSES, request.purpose, "purpose"),
    )
