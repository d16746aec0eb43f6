"""InferService: translates and delegates."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable

import grpc

from panope.v1 import infer_service_pb2 as pb
from panope.v1 import infer_service_pb2_grpc as pb_grpc
from panope_backends.errors import InvalidInputError
from panope_server.config import Limits
from panope_server.tasks.tensors import TensorInput, TensorOutput
from panope_server.transport.grpc.fields import named_model
from panope_server.transport.grpc.streams import Window, answer_each
from panope_server.transport.grpc.tensors import named_tensors, tensor_messages
from panope_server.transport.grpc.values import plain_value, value_message
from panope_server.transport.interceptors.context import Context, call_for
from panope_server.transport.interfaces import Pipeline
from panope_server.transport.services import Services
from panope_server.transport.task_value import run_value, value_input


class InferServicer(pb_grpc.InferServiceServicer):
    """Serves panope.v1.InferService."""

    def __init__(self, pipeline: Pipeline, limits: Limits) -> None:
        self._pipeline = pipeline
        self._limits = limits

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        servicer = cls(services.pipeline, services.settings.limits)
        pb_grpc.add_InferServiceServicer_to_server(servicer, server)

    async def Infer(self, request: pb.InferRequest, context: Context) -> pb.InferResponse:
        """Runs the model once."""
        return await self._infer(request, context, "InferService/Infer")

    async def StreamInfer(
        self, request_iterator: AsyncIterator[pb.StreamInferRequest], context: Context
    ) -> AsyncIterator[pb.StreamInferResponse]:
        """Runs the model once for each request."""

        def run(request: pb.InferRequest) -> Awaitable[pb.InferResponse]:
            return self._infer(request, context, "InferService/StreamInfer")

        window = Window(self._limits, _size_of)
        async for response in answer_each(request_iterator, run, pb.StreamInferResponse, window):
            yield response

    async def _infer(self, request: pb.InferRequest, context: Context, interface: str) -> pb.InferResponse:
        named_model(request.model)
        if request.HasField("value"):
            return await self._infer_value(request, context, interface)
        if request.task:
            raise InvalidInputError("`task` goes with `value` alone", field="task")
        task_input = TensorInput(named_tensors(request.inputs), list(request.output_names))
        call = call_for(context, model=request.model, task_input=task_input, task="", interface=interface)
        answer = await self._pipeline.run(call)
        assert isinstance(answer, TensorOutput)
        return pb.InferResponse(model=call.model, outputs=tensor_messages(answer.outputs))

    async def _infer_value(self, request: pb.InferRequest, context: Context, interface: str) -> pb.InferResponse:
        if request.inputs:
            raise InvalidInputError("`inputs` and `value` exclude each other", field="value")
        if request.output_names:
            raise InvalidInputError("`output_names` goes with `inputs` alone", field="output_names")
        task_input = value_input(plain_value(request.value), request.task)
        call = call_for(context, model=request.model, task_input=task_input, task="", interface=interface)
        answer = await run_value(self._pipeline, call)
        return pb.InferResponse(model=call.model, value=value_message(answer))


def _size_of(request: pb.StreamInferRequest) -> tuple[int, int]:
    value = request.request.value
    items = len(value.list_value.values) if value.HasField("list_value") else 1
    return max(1, items), request.ByteSize()
