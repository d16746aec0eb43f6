"""EmbedService: translates and delegates."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable

import grpc

from panope.v1 import embed_service_pb2 as pb
from panope.v1 import embed_service_pb2_grpc as pb_grpc
from panope_backends.errors import InvalidInputError
from panope_server.config import Limits
from panope_server.tasks.embed import EmbedInput, EmbedOutput
from panope_server.tasks.task import Input
from panope_server.tasks.tokenize import DetokenizeInput, DetokenizeOutput, TokenizeInput, TokenizeOutput
from panope_server.transport.grpc.streams import Window, answer_each
from panope_server.transport.interceptors.context import Context, call_for
from panope_server.transport.interfaces import Pipeline
from panope_server.transport.services import Services

TASK = "embed"

_TRUNCATIONS = {
    pb.TRUNCATION_UNSPECIFIED: "refuse",
    pb.TRUNCATION_REFUSE: "refuse",
    pb.TRUNCATION_END: "end",
    pb.TRUNCATION_START: "start",
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
        return await self._embed(request, context, "EmbedService/Embed")

    async def StreamEmbed(
        self, request_iterator: AsyncIterator[pb.StreamEmbedRequest], context: Context
    ) -> AsyncIterator[pb.StreamEmbedResponse]:
        """Embeds one batch for each request."""

        def run(request: pb.EmbedRequest) -> Awaitable[pb.EmbedResponse]:
            return self._embed(request, context, "EmbedService/StreamEmbed")

        window = Window(self._limits, _size_of)
        async for response in answer_each(request_iterator, run, pb.StreamEmbedResponse, window):
            yield response

    async def Tokenize(self, request: pb.TokenizeRequest, context: Context) -> pb.TokenizeResponse:
        """Splits texts into tokens."""
        special = request.add_special_tokens if request.HasField("add_special_tokens") else True
        task_input = TokenizeInput(list(request.texts), special)
        answer, model = await self._run(request.model, task_input, context, "EmbedService/Tokenize")
        assert isinstance(answer, TokenizeOutput)
        texts = (pb.TokenizedText(ids=t.ids, tokens=t.tokens, starts=t.starts, ends=t.ends) for t in answer.texts)
        return pb.TokenizeResponse(model=model, texts=texts)

    async def Detokenize(self, request: pb.DetokenizeRequest, context: Context) -> pb.DetokenizeResponse:
        """Joins token ids into texts."""
        skip = request.skip_special_tokens if request.HasField("skip_special_tokens") else True
        task_input = DetokenizeInput([list(sequence.ids) for sequence in request.token_sequences], skip)
        answer, model = await self._run(request.model, task_input, context, "EmbedService/Detokenize")
        assert isinstance(answer, DetokenizeOutput)
        return pb.DetokenizeResponse(model=model, texts=answer.texts)

    async def _embed(self, request: pb.EmbedRequest, context: Context, interface: str) -> pb.EmbedResponse:
        answer, model = await self._run(request.model, embed_input(request), context, interface)
        assert isinstance(answer, EmbedOutput)
        return pb.EmbedResponse(
            model=model,
            vectors=answer.vectors,
            count=answer.count,
            dimensions=answer.dimensions,
            token_counts=answer.token_counts,
            truncated_indices=answer.truncated_indices,
        )

    async def _run(self, model: str, task_input: Input, context: Context, interface: str) -> tuple[object, str]:
        if not model:
            raise InvalidInputError("`model` is empty", field="model")
        call = call_for(context, model=model, task_input=task_input, task=TASK, interface=interface)
        return await self._pipeline.run(call), call.model


def _size_of(request: pb.StreamEmbedRequest) -> tuple[int, int]:
    return len(request.request.texts) + len(request.request.token_sequences), request.ByteSize()


def embed_input(request: pb.EmbedRequest) -> EmbedInput:
    """The input that a request holds."""
    if request.truncation not in _TRUNCATIONS:
        raise InvalidInputError(f"`truncation` has no value {request.truncation}", field="truncation")
    return EmbedInput(
        texts=list(request.texts),
        token_sequences=[list(sequence.ids) for sequence in request.token_sequences],
        truncation=_TRUNCATIONS[request.truncation],
        normalize=request.normalize if request.HasField("normalize") else None,
        dimensions=request.dimensions if request.HasField("dimensions") else None,
        prompt_name=request.prompt_name if request.HasField("prompt_name") else None,
    )
