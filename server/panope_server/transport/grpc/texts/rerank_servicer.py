"""RerankService: translates and delegates."""

from __future__ import annotations

from collections.abc import Mapping

import grpc

from panope.v1 import classify_service_pb2 as classify_pb
from panope.v1 import rerank_service_pb2 as pb
from panope.v1 import rerank_service_pb2_grpc as pb_grpc
from panope_server.tasks.rerank import RerankFunction, RerankInput, RerankOutput
from panope_server.transport.grpc.fields import known
from panope_server.transport.grpc.texts.calls import TRUNCATIONS, run
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interfaces import Pipeline
from panope_server.transport.services import Services

_FUNCTIONS: Mapping[int, RerankFunction] = {
    classify_pb.SCORE_FUNCTION_UNSPECIFIED: "",
    classify_pb.SCORE_FUNCTION_SIGMOID: "sigmoid",
    classify_pb.SCORE_FUNCTION_NONE: "none",
}


class RerankServicer(pb_grpc.RerankServiceServicer):
    """Serves panope.v1.RerankService."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        pb_grpc.add_RerankServiceServicer_to_server(cls(services.pipeline), server)

    async def Rerank(self, request: pb.RerankRequest, context: Context) -> pb.RerankResponse:
        """Scores documents by a query."""
        documents = list(request.documents)
        task_input = RerankInput(
            request.query,
            documents,
            truncation=known(TRUNCATIONS, request.truncation, "truncation"),
            function=known(_FUNCTIONS, request.function, "function"),
            top_n=request.top_n if request.HasField("top_n") else None,
        )
        interface = "RerankService/Rerank"
        answer, model = await run(
            self._pipeline, context, request.model, task_input, RerankOutput, task="rerank", interface=interface
        )
        told = documents if request.return_documents else [""] * len(documents)
        return pb.RerankResponse(
            model=model,
            results=[
                pb.RerankResult(index=index, score=score, document=told[index])
                for index, score in answer.ranked(task_input.top_n)
            ],
            token_counts=answer.token_counts,
            truncated_indices=answer.truncated_indices,
        )
