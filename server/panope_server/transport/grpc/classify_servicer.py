"""ClassifyService and RerankService: translate and delegate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import grpc

from panope.v1 import classify_service_pb2 as pb
from panope.v1 import classify_service_pb2_grpc as pb_grpc
from panope.v1 import embed_service_pb2, rerank_service_pb2, rerank_service_pb2_grpc
from panope_backends.errors import CallerError, InvalidInputError
from panope_server.tasks.classify import ClassifyInput, ClassifyOutput, Function, LabelScore
from panope_server.tasks.rerank import RerankFunction, RerankInput, RerankOutput
from panope_server.tasks.task import Input
from panope_server.tasks.token_classify import IGNORED, Aggregation, Entity, TokenClassifyInput, TokenClassifyOutput
from panope_server.tasks.zero_shot import DEFAULT_TEMPLATE, ZeroShotInput, ZeroShotOutput
from panope_server.transport.field_names import FieldNames
from panope_server.transport.interceptors.context import Context, call_for
from panope_server.transport.interfaces import Pipeline
from panope_server.transport.services import Services

_TRUNCATIONS: dict[int, str] = {
    embed_service_pb2.TRUNCATION_UNSPECIFIED: "refuse",
    embed_service_pb2.TRUNCATION_REFUSE: "refuse",
    embed_service_pb2.TRUNCATION_END: "end",
    embed_service_pb2.TRUNCATION_START: "start",
}
_FUNCTIONS: dict[int, Function] = {
    pb.SCORE_FUNCTION_UNSPECIFIED: "",
    pb.SCORE_FUNCTION_SOFTMAX: "softmax",
    pb.SCORE_FUNCTION_SIGMOID: "sigmoid",
    pb.SCORE_FUNCTION_NONE: "none",
}
_RERANK_FUNCTIONS: dict[int, RerankFunction] = {
    pb.SCORE_FUNCTION_UNSPECIFIED: "",
    pb.SCORE_FUNCTION_SIGMOID: "sigmoid",
    pb.SCORE_FUNCTION_NONE: "none",
}
_AGGREGATIONS: dict[int, Aggregation] = {
    pb.AGGREGATION_UNSPECIFIED: "simple",
    pb.AGGREGATION_NONE: "none",
    pb.AGGREGATION_SIMPLE: "simple",
    pb.AGGREGATION_FIRST: "first",
    pb.AGGREGATION_AVERAGE: "average",
    pb.AGGREGATION_MAX: "max",
}

_NAMES = FieldNames({"ignore_labels": "ignored.labels"})

T = TypeVar("T")


class ClassifyServicer(pb_grpc.ClassifyServiceServicer):
    """Serves panope.v1.ClassifyService."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        pb_grpc.add_ClassifyServiceServicer_to_server(cls(services.pipeline), server)

    async def Classify(self, request: pb.ClassifyRequest, context: Context) -> pb.ClassifyResponse:
        """Classifies texts by the model's labels."""
        task_input = ClassifyInput(
            list(request.texts),
            list(request.second_texts),
            truncation=_known(_TRUNCATIONS, request.truncation, "truncation"),
            function=_known(_FUNCTIONS, request.function, "function"),
            top_k=request.top_k if request.HasField("top_k") else None,
        )
        answer, model = await _run(self._pipeline, request.model, task_input, context, "classify", "Classify")
        assert isinstance(answer, ClassifyOutput)
        return pb.ClassifyResponse(
            model=model,
            classifications=map(_classification, answer.texts),
            token_counts=answer.token_counts,
            truncated_indices=answer.truncated_indices,
        )

    async def ClassifyTokens(self, request: pb.ClassifyTokensRequest, context: Context) -> pb.ClassifyTokensResponse:
        """Finds entities in texts."""
        ignored = list(request.ignored.labels) if request.HasField("ignored") else list(IGNORED)
        task_input = TokenClassifyInput(
            list(request.texts),
            aggregation=_known(_AGGREGATIONS, request.aggregation, "aggregation"),
            ignore_labels=ignored,
            stride=request.stride if request.HasField("stride") else None,
            truncation=_known(_TRUNCATIONS, request.truncation, "truncation"),
        )
        answer, model = await _run(
            self._pipeline, request.model, task_input, context, "token-classify", "ClassifyTokens"
        )
        assert isinstance(answer, TokenClassifyOutput)
        return pb.ClassifyTokensResponse(
            model=model,
            texts=[pb.TextEntities(entities=map(_entity, entities)) for entities in answer.texts],
            token_counts=answer.token_counts,
            truncated_indices=answer.truncated_indices,
        )

    async def ClassifyZeroShot(
        self, request: pb.ClassifyZeroShotRequest, context: Context
    ) -> pb.ClassifyZeroShotResponse:
        """Classifies texts by the caller's labels."""
        labels = list(request.candidate_labels)
        given = request.HasField("hypothesis_template")
        task_input = ZeroShotInput(
            list(request.texts),
            labels,
            hypothesis_template=request.hypothesis_template if given else DEFAULT_TEMPLATE,
            multi_label=request.multi_label,
            truncation=_known(_TRUNCATIONS, request.truncation, "truncation"),
        )
        answer, model = await _run(self._pipeline, request.model, task_input, context, "classify", "ClassifyZeroShot")
        assert isinstance(answer, ZeroShotOutput)
        return pb.ClassifyZeroShotResponse(
            model=model,
            classifications=map(_classification, answer.ranked(labels)),
            token_counts=answer.token_counts,
            truncated_indices=answer.truncated_indices,
        )


class RerankServicer(rerank_service_pb2_grpc.RerankServiceServicer):
    """Serves panope.v1.RerankService."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        rerank_service_pb2_grpc.add_RerankServiceServicer_to_server(cls(services.pipeline), server)

    async def Rerank(
        self, request: rerank_service_pb2.RerankRequest, context: Context
    ) -> rerank_service_pb2.RerankResponse:
        """Scores documents by a query."""
        documents = list(request.documents)
        task_input = RerankInput(
            request.query,
            documents,
            truncation=_known(_TRUNCATIONS, request.truncation, "truncation"),
            function=_known(_RERANK_FUNCTIONS, request.function, "function"),
            top_n=request.top_n if request.HasField("top_n") else None,
        )
        answer, model = await _run(self._pipeline, request.model, task_input, context, "rerank", "RerankService/Rerank")
        assert isinstance(answer, RerankOutput)
        told = documents if request.return_documents else [""] * len(documents)
        return rerank_service_pb2.RerankResponse(
            model=model,
            results=[
                rerank_service_pb2.RerankResult(index=index, score=score, document=told[index])
                for index, score in answer.ranked(task_input.top_n)
            ],
            token_counts=answer.token_counts,
            truncated_indices=answer.truncated_indices,
        )


async def _run(
    pipeline: Pipeline, model: str, task_input: Input, context: Context, task: str, method: str
) -> tuple[object, str]:
    if not model:
        raise InvalidInputError("`model` is empty", field="model")
    interface = method if "/" in method else f"ClassifyService/{method}"
    call = call_for(context, model=model, task_input=task_input, task=task, interface=interface)
    try:
        return await pipeline.run(call), call.model
    except CallerError as error:
        raise error.renamed(_NAMES) from None


def _known(words: dict[int, T], value: int, field: str) -> T:
    if value not in words:
        raise InvalidInputError(f"`{field}` has no value {value} here", field=field)
    return words[value]


def _classification(labels: Sequence[LabelScore]) -> pb.Classification:
    return pb.Classification(labels=[pb.LabelScore(label=label, score=score) for label, score in labels])


def _entity(entity: Entity) -> pb.TextEntity:
    return pb.TextEntity(
        label=entity.label,
        score=entity.score,
        word=entity.word,
        start=entity.start,
        end=entity.end,
        index=entity.index,
    )
