"""Answers without a model."""

# ruff: noqa: N802 -- gRPC names the methods

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc

from client_doubles.calls import Calls, Context
from panope.v1 import generate_service_pb2 as pb
from panope.v1 import generate_service_pb2_grpc as pb_grpc
from panope.v1.generation_pb2 import FINISH_REASON_STOP, GenerationUsage


class GenerateServicer(Calls, pb_grpc.GenerateServiceServicer):
    """Repeats prompts, and the last message of conversations, word by word; some words ask for what can happen."""

    async def Generate(self, request: pb.GenerateRequest, context: Context) -> pb.GenerateResponse:
        await self.enter(request, context)
        completions = [
            pb.Completion(prompt_index=index, text=text, finish_reason=FINISH_REASON_STOP)
            for index, text in enumerate(request.prompts)
        ]
        return pb.GenerateResponse(model=request.model, completions=completions, usage=GenerationUsage(prompt_tokens=1))

    async def StreamGenerate(
        self, request: pb.StreamGenerateRequest, context: Context
    ) -> AsyncIterator[pb.StreamGenerateResponse]:
        self.requests.append(request.request)
        async for word in self._words(request.request.prompts[0], context):
            yield pb.StreamGenerateResponse(model=request.request.model, deltas=[pb.Completion(text=word)])
        if request.request.prompts[0] != "cut":
            yield pb.StreamGenerateResponse(usage=GenerationUsage(prompt_tokens=1))

    async def Chat(self, request: pb.ChatRequest, context: Context) -> pb.ChatResponse:
        await self.enter(request, context)
        answer = pb.ChatAnswer(content=request.messages[-1].content[0].text, finish_reason=FINISH_REASON_STOP)
        return pb.ChatResponse(model=request.model, answers=[answer], usage=GenerationUsage(prompt_tokens=1))

    async def StreamChat(self, request: pb.StreamChatRequest, context: Context) -> AsyncIterator[pb.StreamChatResponse]:
        self.requests.append(request.request)
        async for word in self._words(request.request.messages[-1].content[0].text, context):
            yield pb.StreamChatResponse(model=request.request.model, deltas=[pb.ChatAnswer(content=word)])
        yield pb.StreamChatResponse(usage=GenerationUsage(prompt_tokens=1))

    async def _words(self, text: str, context: Context) -> AsyncIterator[str]:
        for word in text.split(" "):
            match word:
                case "break":
                    await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
                case "hang":
                    self.started.release()
                    try:
                        await asyncio.Event().wait()
                    finally:
                        self.cancelled.set()
                case _:
                    yield word
