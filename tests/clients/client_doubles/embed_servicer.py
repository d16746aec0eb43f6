"""Vectors and tokens without a model."""

# ruff: noqa: N802 -- gRPC names the methods

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import numpy as np

from client_doubles.calls import Calls, Context
from panope.v1 import embed_service_pb2 as embed_pb
from panope.v1 import embed_service_pb2_grpc as embed_grpc
from panope.v1.stream_error_pb2 import StreamError

DIMENSIONS = 3


def vector_of(text: str) -> list[float]:
    """The fake model's vector of a text."""
    return [float(len(text)), float(sum(map(ord, text)) % 97), 0.5]


class EmbedServicer(Calls, embed_grpc.EmbedServiceServicer):
    """Embeds by the length and the letters of each text; each character is a token."""

    @staticmethod
    def _vectors(request: embed_pb.EmbedRequest) -> embed_pb.EmbedResponse:
        texts = list(request.texts) or [",".join(map(str, item.ids)) for item in request.token_sequences]
        texts = texts or [image.content.decode() for image in request.images]
        vectors = np.array([vector_of(text) for text in texts], "<f4")
        return embed_pb.EmbedResponse(
            model=request.model,
            vectors=vectors.tobytes(),
            count=len(texts),
            dimensions=DIMENSIONS,
            token_counts=[len(text) + 2 for text in texts],
            truncated_indices=[place for place, text in enumerate(texts) if text.startswith("long")],
        )

    async def Embed(self, request: embed_pb.EmbedRequest, context: Context) -> embed_pb.EmbedResponse:
        await self.enter(request, context)
        return self._vectors(request)

    async def StreamEmbed(
        self, request_iterator: AsyncIterator[embed_pb.StreamEmbedRequest], context: Context
    ) -> AsyncIterator[embed_pb.StreamEmbedResponse]:
        """Texts ask for what a stream can do: `fail`, `break`, `stop`, `renumber`, `hang`."""
        async for item in request_iterator:
            self.requests.append(item)
            match list(item.request.texts):
                case ["fail"]:
                    error = StreamError(code=3, message="no", reason="invalid_input", field="texts[0]")
                    yield embed_pb.StreamEmbedResponse(id=item.id, error=error)
                case ["break"]:
                    await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
                case ["stop"]:
                    return
                case ["renumber"]:
                    yield embed_pb.StreamEmbedResponse(id="other", response=self._vectors(item.request))
                case ["hang"]:
                    self.started.release()
                    try:
                        await asyncio.Event().wait()
                    finally:
                        self.cancelled.set()
                case _:
                    yield embed_pb.StreamEmbedResponse(id=item.id, response=self._vectors(item.request))

    async def Tokenize(self, request: embed_pb.TokenizeRequest, context: Context) -> embed_pb.TokenizeResponse:
        await self.enter(request, context)
        texts = [
            embed_pb.TokenizedText(
                ids=map(ord, text), tokens=text, starts=range(len(text)), ends=range(1, len(text) + 1)
            )
            for text in request.texts
        ]
        return embed_pb.TokenizeResponse(model=request.model, texts=texts)

    async def Detokenize(self, request: embed_pb.DetokenizeRequest, context: Context) -> embed_pb.DetokenizeResponse:
        await self.enter(request, context)
        texts = ["".join(map(chr, sequence.ids)) for sequence in request.token_sequences]
        return embed_pb.DetokenizeResponse(model=request.model, texts=texts)
