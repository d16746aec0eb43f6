"""ClassifyService: translates and delegates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import grpc

from panope.v1 import classify_service_pb2 as pb
from panope.v1 import classify_service_pb2_grpc as pb_grpc
from panope_server.tasks.classify import ClassifyInput, ClassifyOutput, Function, LabelScore
from panope_server.tasks.speech.classify_audio import ClassifyAudioInput, ClassifyAudioOutput
from panope_server.tasks.task import Input, Output
from panope_server.tasks.token_classify import IGNORED, Aggregation, Entity, TokenClassifyInput, TokenClassifyOutput
from panope_server.tasks.vision.classify_images import ClassifyImagesInput, ClassifyImagesOutput
from panope_server.tasks.vision.classify_video import ClassifyVideoInput, ClassifyVideoOutput
from panope_server.tasks.zero_shot import DEFAULT_TEMPLATE, ZeroShotInput, ZeroShotOutput
from panope_server.transport.answers import renaming
from panope_server.transport.field_names import FieldNames
from panope_server.transport.grpc.fields import known
from panope_server.transport.grpc.images import images_of
from panope_server.transport.grpc.sent_file import sent_file
from panope_server.transport.grpc.texts.calls import TRUNCATIONS, run
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interfaces import Pipeline
from panope_server.transport.services import Services

_FUNCTIONS: Mapping[int, Function] = {
    pb.SCORE_FUNCTION_UNSPECIFIED: "",
    pb.SCORE_FUNCTION_SOFTMAX: "softmax",
    pb.SCORE_FUNCTION_SIGMOID: "sigmoid",
    pb.SCORE_FUNCTION_NONE: "none",
}
_AGGREGATIONS: Mapping[int, Aggregation] = {
    pb.AGGREGATION_UNSPECIFIED: "simple",
    pb.AGGREGATION_NONE: "none",
    pb.AGGREGATION_SIMPLE: "simple",
    pb.AGGREGATION_FIRST: "first",
    pb.AGGREGATION_AVERAGE: "average",
    pb.AGGREGATION_MAX: "max",
}

T = TypeVar("T", bound=Output)


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
            truncation=known(TRUNCATIONS, request.truncation, "truncation"),
            function=known(_FUNCTIONS, request.function, "function"),
            top_k=request.top_k if request.HasField("top_k") else None,
        )
        answer, model = await self._run(request.model, context, task_input, ClassifyOutput, "Classify")
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
            aggregation=known(_AGGREGATIONS, request.aggregation, "aggregation"),
            ignore_labels=ignored,
            stride=request.stride if request.HasField("stride") else None,
            truncation=known(TRUNCATIONS, request.truncation, "truncation"),
        )
        answer, model = await self._run(
            request.model, context, task_input, TokenClassifyOutput, "ClassifyTokens", task="token-classify"
        )
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
            truncation=known(TRUNCATIONS, request.truncation, "truncation"),
        )
        answer, model = await self._run(request.model, context, task_input, ZeroShotOutput, "ClassifyZeroShot")
        return pb.ClassifyZeroShotResponse(
            model=model,
            classifications=map(_classification, answer.ranked(labels)),
            token_counts=answer.token_counts,
            truncated_indices=answer.truncated_indices,
        )

    async def ClassifyImages(self, request: pb.ClassifyImagesRequest, context: Context) -> pb.ClassifyImagesResponse:
        """Classifies images."""
        task_input = ClassifyImagesInput(
            images_of(request.images),
            candidate_labels=list(request.candidate_labels),
            hypothesis_template=request.hypothesis_template,
            function=known(_FUNCTIONS, request.function, "function"),
            top_k=request.top_k if request.HasField("top_k") else None,
        )
        answer, model = await self._run(request.model, context, task_input, ClassifyImagesOutput, "ClassifyImages")
        return pb.ClassifyImagesResponse(model=model, classifications=map(_classification, answer.images))

    async def ClassifyAudio(self, request: pb.ClassifyAudioRequest, context: Context) -> pb.ClassifyAudioResponse:
        """Classifies audio."""
        audio = sent_file(request.audio, "audio")
        task_input = ClassifyAudioInput(
            audio.content,
            known(_FUNCTIONS, request.function, "function"),
            request.top_k if request.HasField("top_k") else None,
            url=audio.url,
        )
        with renaming(FieldNames({"audio": audio.field})):
            answer, model = await self._run(request.model, context, task_input, ClassifyAudioOutput, "ClassifyAudio")
        return pb.ClassifyAudioResponse(
            model=model,
            classification=_classification(answer.labels),
            duration_seconds=answer.duration,
            heard_seconds=answer.heard,
        )

    async def ClassifyVideo(self, request: pb.ClassifyVideoRequest, context: Context) -> pb.ClassifyVideoResponse:
        """Classifies a video."""
        video = sent_file(request.video, "video")
        task_input = ClassifyVideoInput(
            video.content,
            known(_FUNCTIONS, request.function, "function"),
            request.top_k if request.HasField("top_k") else None,
            url=video.url,
        )
        with renaming(FieldNames({"video": video.field})):
            answer, model = await self._run(request.model, context, task_input, ClassifyVideoOutput, "ClassifyVideo")
        return pb.ClassifyVideoResponse(
            model=model,
            classification=_classification(answer.labels),
            frames=answer.frames,
            seen_frames=answer.seen_frames,
        )

    async def _run(
        self, model: str, context: Context, task_input: Input, kind: type[T], method: str, task: str = "classify"
    ) -> tuple[T, str]:
        interface = f"ClassifyService/{method}"
        return await run(self._pipeline, context, model, task_input, kind, task=task, interface=interface)


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
