"""Inference that runs nothing."""

# ruff: noqa: N802 -- gRPC names the methods

from __future__ import annotations

from collections.abc import AsyncIterator

from google.protobuf import struct_pb2

from client_doubles.calls import Calls, Context
from panope.v1 import infer_service_pb2 as infer_pb
from panope.v1 import infer_service_pb2_grpc as infer_grpc


class InferServicer(Calls, infer_grpc.InferServiceServicer):
    """Answers with what was asked."""

    async def Infer(self, request: infer_pb.InferRequest, context: Context) -> infer_pb.InferResponse:
        """Gives back what came in."""
        await self.enter(request, context)
        value = request.value if request.HasField("value") else None
        return infer_pb.InferResponse(model=request.model, outputs=request.inputs, value=value)

    async def StreamInfer(
        self, request_iterator: AsyncIterator[infer_pb.StreamInferRequest], context: Context
    ) -> AsyncIterator[infer_pb.StreamInferResponse]:
        async for item in request_iterator:
            yield infer_pb.StreamInferResponse(id=item.id, response=infer_pb.InferResponse(value=struct_pb2.Value()))
