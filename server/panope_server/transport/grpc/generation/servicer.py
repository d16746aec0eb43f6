"""GenerateService: translates and delegates."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc

from panope.v1 import generate_service_pb2 as pb
from panope.v1 import generate_service_pb2_grpc as pb_grpc
from panope_server.pipeline.call import Call
from panope_server.tasks.generate.types import GenerateInput, GenerateOutput
from panope_server.transport.answers import renaming
from panope_server.transport.generation.names import TASK
from panope_server.transport.grpc.fields import named_model
from panope_server.transport.grpc.generation.requests import NAMES, chat_input, generate_input
from panope_server.transport.grpc.generation.responses import (
    chat_answer,
    chat_part,
    completion,
    generate_part,
    in_messages,
    in_order,
    usage_message,
)
from panope_server.transport.interceptors.context import Context, call_for
from panope_server.transport.interfaces import Pipeline
from panope_server.transport.services import Services


class GenerateServicer(pb_grpc.GenerateServiceServicer):
    """Serves panope.v1.GenerateService."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        servicer = cls(services.pipeline)
        pb_grpc.add_GenerateServiceServicer_to_server(servicer, server)

    async def Generate(self, request: pb.GenerateRequest, context: Context) -> pb.GenerateResponse:
        """Continues prompts."""
        call = _call(context, request.model, generate_input(request, stream=False), "Generate")
        answer = await self._whole(call)
        return pb.GenerateResponse(
            model=call.model, completions=map(completion, in_order(answer.deltas)), usage=usage_message(answer.usage)
        )

    async def StreamGenerate(
        self, request: pb.StreamGenerateRequest, context: Context
    ) -> AsyncIterator[pb.StreamGenerateResponse]:
        """Continues prompts, piece by piece."""
        task_input = generate_input(request.request, stream=True)
        call = _call(context, request.request.model, task_input, "StreamGenerate")
        with renaming(NAMES):
            async with self._pipeline.stream(call) as parts:
                async for part in parts:
                    for small in in_messages(part):
                        yield generate_part(call.model, small)

    async def Chat(self, request: pb.ChatRequest, context: Context) -> pb.ChatResponse:
        """Answers a conversation."""
        call = _call(context, request.model, chat_input(request, stream=False), "Chat")
        answer = await self._whole(call)
        return pb.ChatResponse(
            model=call.model, answers=map(chat_answer, in_order(answer.deltas)), usage=usage_message(answer.usage)
        )

    async def StreamChat(self, request: pb.StreamChatRequest, context: Context) -> AsyncIterator[pb.StreamChatResponse]:
        """Answers a conversation, piece by piece."""
        call = _call(context, request.request.model, chat_input(request.request, stream=True), "StreamChat")
        with renaming(NAMES):
            async with self._pipeline.stream(call) as parts:
                async for part in parts:
                    for small in in_messages(part):
                        yield chat_part(call.model, small)

    async def _whole(self, call: Call) -> GenerateOutput:
        with renaming(NAMES):
            answer = await self._pipeline.run(call)
        assert isinstance(answer, GenerateOutput)
        return answer


def _call(context: Context, model: str, task_input: GenerateInput, method: str) -> Call:
    interface = f"GenerateService/{method}"
    return call_for(context, model=named_model(model), task_input=task_input, task=TASK, interface=interface)
