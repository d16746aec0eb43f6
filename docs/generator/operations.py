"""What each REST route takes and gives, as types: the part of /openapi.json that protos do not say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from panope_server.tasks.embed.json_form import EmbedJson
from panope_server.tasks.generate.json_form import GenerateValue
from panope_server.tasks.speech.speak import MEDIA_TYPES
from panope_server.transport.error_json import ErrorJson
from panope_server.transport.http.admin import HealthJson, ReadyJson
from panope_server.transport.http.cache import CacheJson, FlushedJson
from panope_server.transport.http.hub import app as hub
from panope_server.transport.http.hub import models
from panope_server.transport.http.hub.errors import HubErrorJson
from panope_server.transport.http.hub.trees import EntryJson
from panope_server.transport.http.key_schemas import CreateKeyBody, KeyJson, KeysJson, RotateKeyBody
from panope_server.transport.http.status import StatusJson
from panope_server.transport.job_json import JobJson, JobsJson, JobStatusJson
from panope_server.transport.paging import MAX_PAGE_SIZE
from panope_server.transport.rest.classification import inputs as classification_inputs
from panope_server.transport.rest.classification import schemas as classification
from panope_server.transport.rest.classification import vllm_schemas as vllm
from panope_server.transport.rest.depth import schemas as depth
from panope_server.transport.rest.detection import schemas as detection
from panope_server.transport.rest.embedding import image_inputs, inputs
from panope_server.transport.rest.embedding.vectors import Vector
from panope_server.transport.rest.hugging_face import schemas as hugging_face
from panope_server.transport.rest.hugging_face.errors import HuggingFaceErrorJson
from panope_server.transport.rest.hugging_face.image_text.schemas import (
    DocumentBody,
    ImageBody,
    ImageTextJson,
    QuestionAnswerJson,
    QuestionBody,
)
from panope_server.transport.rest.hugging_face.text_to_text.schemas import (
    SummaryBody,
    SummaryJson,
    TranslationBody,
    TranslationJson,
)
from panope_server.transport.rest.hugging_face.texts.schemas import AnswerBody, AnswerJson, FillingJson, FillMaskBody
from panope_server.transport.rest.image_generation import openai_schemas as images
from panope_server.transport.rest.image_generation.hugging_face_schemas import ImageToImageBody, TextToImageBody
from panope_server.transport.rest.ocr import schemas as ocr
from panope_server.transport.rest.openai import schemas as openai
from panope_server.transport.rest.openai.chat.answers import ChatJson
from panope_server.transport.rest.openai.chat.schemas import ChatBody
from panope_server.transport.rest.openai.completions.answers import CompletionJson
from panope_server.transport.rest.openai.completions.schemas import CompletionBody
from panope_server.transport.rest.openai.responses.answers import ResponseJson
from panope_server.transport.rest.openai.responses.schemas import ResponseBody
from panope_server.transport.rest.panope import (
    alias_schemas,
    catalogue_schemas,
    infer_schemas,
    model_schemas,
    registry_schemas,
    route_schemas,
    token_schemas,
)
from panope_server.transport.rest.panope.usage_servicer import MAX_OFFSET
from panope_server.transport.rest.segmentation import schemas as segmentation
from panope_server.transport.rest.speech import fields as speech_fields
from panope_server.transport.rest.speech import formats as speech
from panope_server.transport.rest.speech.audio_labels import AudioLabelJson, AudioLabelsBody
from panope_server.transport.rest.speech.recognition import RecognitionBody
from panope_server.transport.rest.speech.speaking import SpeakBody, SpeechBody
from panope_server.transport.rest.speech.voice_activity import VoiceActivityForm, VoiceActivityJson
from panope_server.transport.rest.super_resolution.schemas import SuperResolutionBody
from panope_server.transport.rest.text_embeddings import schemas as tei
from panope_server.transport.rest.text_embeddings.info import TextEmbeddingsInfoJson
from panope_server.transport.rest.text_generation import schemas as tgi
from panope_server.transport.rest.text_generation.info import TextGenerationInfoJson
from panope_server.transport.rest.video.schemas import VideoGenerationBody
from panope_server.transport.usage_json import UsageSumsJson

JSON = "application/json"
BYTES = "application/octet-stream"
FORM = "multipart/form-data"

_Text = Annotated[str, Meta(max_length=200)]
_Cursor = Annotated[int, Meta(ge=0, le=1 << 53)]
_Expand = list[Literal[tuple(name for name in models.InfoJson.__annotations__ if name != "_id")]]
_Limit = Annotated[int, Meta(ge=1, le=MAX_PAGE_SIZE)]


@dataclass(frozen=True)
class Operation:
    """What a route takes and gives.

    Attributes:
        answer: the type of the answer's JSON; None for an answer that is no JSON.
        body: the type of the request's body; None for a method without one.
        or_bodies: the types of other bodies that it takes.
        body_media: of the request's body.
        empty: whether the body may only be an empty object.
        query: the types of the query parameters.
        or_answers: the types of the answer's JSON, where `answer` cannot say that it has one of several.
        status: of a good answer.
        media: of a good answer.
        or_media: of good answers of other kinds, which have no schema.
        waits: whether the call runs a model, and honours `x-panope-wait`, `x-panope-priority`, `cache-control` and
            `x-panope-keep-alive`.
        changes: whether the method may be refused for what is there: 409.
        events: whether the answer may come as server-sent events instead.
        error: the type of the JSON of an error.
        not_ready: the type of the answer's JSON with status 503, where it is not that of every error.
    """

    answer: Any = None
    body: type[Struct] | None = None
    or_bodies: Sequence[type[Struct]] = ()
    body_media: str = JSON
    empty: bool = False
    query: Mapping[str, Any] = field(default_factory=dict)
    or_answers: Sequence[Any] = ()
    status: int = 200
    media: str = JSON
    or_media: Sequence[str] = ()
    waits: bool = False
    changes: bool = False
    events: bool = False
    error: type = ErrorJson
    not_ready: Any = None


_INFO = Operation(models.InfoJson, query={"blobs": bool, "expand": _Expand, "securityStatus": bool}, error=HubErrorJson)
_UPSCALED: Mapping[str, Any] = {"media": "image/png", "or_media": ("image/jpeg",), "waits": True}
_TRANSCRIPTS = ("text/plain", "text/vtt")
_AZURE: Mapping[str, Any] = {"api-version": str}

_DRAWN: Mapping[str, Any] = {"media": "image/png", "or_media": ("image/jpeg", "image/webp"), "waits": True}

_ANY_ANSWER = list[Vector | float] | tgi.GeneratedTextJson
_ENTITIES = (list[classification.EntityJson], list[list[classification.EntityJson]])
_ANSWERS = (AnswerJson, list[AnswerJson], list[list[AnswerJson]])
_FILLINGS = (list[FillingJson], list[list[FillingJson]], list[list[list[FillingJson]]])
_LABELS = (list[classification.LabelJson], list[list[classification.LabelJson]])
_SCORES: Mapping[str, Any] = {"or_answers": (*_LABELS, *_ENTITIES), "waits": True}
_ANY_BODY = (tgi.TextGenerationBody, classification.ClassifyBody, AnswerBody, FillMaskBody)
_TEI: Mapping[str, Any] = {"waits": True, "error": tei.TextEmbeddingsErrorJson}
_ANY: Mapping[str, Any] = {
    **_TEI,
    "or_bodies": _ANY_BODY,
    "or_answers": (
        *(list[Vector | float], tgi.GeneratedTextJson, *_LABELS, *_ENTITIES),
        *(AnswerJson, list[AnswerJson], *_FILLINGS[:2]),
    ),
    "events": True,
    "error": HuggingFaceErrorJson,
}
_TGI: Mapping[str, Any] = {"waits": True, "events": True, "error": tgi.TextGenerationErrorJson}

#: By `Service.Method` of the façade.
METHODS: Mapping[str, Operation] = {
    "OpenAiService.CreateEmbeddings": Operation(openai.EmbeddingsJson, openai.EmbeddingsBody, query=_AZURE, waits=True),
    "OpenAiService.ListModels": Operation(
        openai.ModelsJson,
        query={
            **_AZURE,
            "task": str,
            "format": str,
            "prefix": str,
            "loaded": bool,
            "limit": Annotated[int, Meta(ge=0, le=MAX_PAGE_SIZE)],
            "after": str,
        },
    ),
    "OpenAiService.GetModel": Operation(openai.ModelJson, query=_AZURE),
    "OpenAiGenerationService.CreateCompletion": Operation(
        CompletionJson, CompletionBody, query=_AZURE, waits=True, events=True
    ),
    "OpenAiGenerationService.CreateChatCompletion": Operation(
        ChatJson, ChatBody, query=_AZURE, waits=True, events=True
    ),
    "OpenAiGenerationService.CreateResponse": Operation(
        ResponseJson, ResponseBody, query=_AZURE, waits=True, events=True
    ),
    "HuggingFaceService.Embed": Operation(list[Vector], hugging_face.EmbedBody, waits=True),
    "HuggingFaceService.EmbedModel": Operation(list[Vector], hugging_face.EmbedBody, waits=True),
    "HuggingFaceService.Summarize": Operation(list[SummaryJson], SummaryBody, waits=True),
    "HuggingFaceService.SummarizeModel": Operation(list[SummaryJson], SummaryBody, waits=True),
    "HuggingFaceService.Translate": Operation(list[TranslationJson], TranslationBody, waits=True),
    "HuggingFaceService.TranslateModel": Operation(list[TranslationJson], TranslationBody, waits=True),
    "HuggingFaceService.AnswerVisualQuestion": Operation(list[QuestionAnswerJson], QuestionBody, waits=True),
    "HuggingFaceService.AnswerVisualQuestionModel": Operation(list[QuestionAnswerJson], QuestionBody, waits=True),
    "HuggingFaceService.AnswerDocumentQuestion": Operation(list[QuestionAnswerJson], DocumentBody, waits=True),
    "HuggingFaceService.AnswerDocumentQuestionModel": Operation(list[QuestionAnswerJson], DocumentBody, waits=True),
    "HuggingFaceService.DescribeImage": Operation(list[ImageTextJson], ImageBody, waits=True),
    "HuggingFaceService.DescribeImageModel": Operation(list[ImageTextJson], ImageBody, waits=True),
    "SpeechService.CreateTranscription": Operation(
        speech.TranscriptionJson,
        speech_fields.TranscriptionForm,
        body_media=FORM,
        or_answers=(speech.TranscriptionJson, speech.VerboseTranscriptionJson),
        or_media=_TRANSCRIPTS,
        query=_AZURE,
        waits=True,
        events=True,
    ),
    "SpeechService.CreateTranslation": Operation(
        speech.TranscriptionJson,
        speech_fields.TranslationForm,
        body_media=FORM,
        or_answers=(speech.TranscriptionJson, speech.VerboseTranscriptionJson),
        or_media=_TRANSCRIPTS,
        query=_AZURE,
        waits=True,
    ),
    "SpeechService.DetectVoiceActivity": Operation(VoiceActivityJson, VoiceActivityForm, body_media=FORM, waits=True),
    "SpeechService.ClassifyAudio": Operation(list[AudioLabelJson], AudioLabelsBody, waits=True),
    "SpeechService.ClassifyAudioModel": Operation(list[AudioLabelJson], AudioLabelsBody, waits=True),
    "SpeechService.RecognizeSpeech": Operation(speech.RecognitionJson, RecognitionBody, waits=True),
    "SpeechService.RecognizeSpeechModel": Operation(speech.RecognitionJson, RecognitionBody, waits=True),
    "SpeechService.CreateSpeech": Operation(
        body=SpeechBody, media=MEDIA_TYPES["mp3"], or_media=tuple(MEDIA_TYPES.values()), query=_AZURE, waits=True
    ),
    "SpeechService.SpeakText": Operation(body=SpeakBody, media="audio/flac", waits=True),
    "SpeechService.SpeakTextModel": Operation(body=SpeakBody, media="audio/flac", waits=True),
    "HuggingFaceService.AnswerQuestion": Operation(AnswerJson, AnswerBody, or_answers=_ANSWERS, waits=True),
    "HuggingFaceService.AnswerQuestionModel": Operation(AnswerJson, AnswerBody, or_answers=_ANSWERS, waits=True),
    "HuggingFaceService.FillMask": Operation(_FILLINGS[0], FillMaskBody, or_answers=_FILLINGS, waits=True),
    "HuggingFaceService.FillMaskModel": Operation(_FILLINGS[0], FillMaskBody, or_answers=_FILLINGS, waits=True),
    "ClassificationService.Classify": Operation(
        _ENTITIES[0],
        classification.ClassifyBody,
        or_bodies=(vllm.ClassifyInputBody,),
        or_answers=(*_LABELS, *_ENTITIES, vllm.ClassifiedJson),
        waits=True,
    ),
    "ClassificationService.ClassifyModel": Operation(_ENTITIES[0], classification.ClassifyBody, **_SCORES),
    "ClassificationService.ScoreTexts": Operation(vllm.ScoredJson, vllm.ScoreBody, waits=True),
    "ClassificationService.RerankDocuments": Operation(
        classification.RerankJson, classification.RerankBody, waits=True
    ),
    "DetectionService.Detect": Operation(list[detection.DetectionJson], detection.DetectBody, waits=True),
    "DetectionService.DetectModel": Operation(list[detection.DetectionJson], detection.DetectBody, waits=True),
    "OcrService.Recognize": Operation(ocr.OcrJson, ocr.OcrBody, waits=True),
    "OcrService.RecognizeModel": Operation(ocr.OcrJson, ocr.OcrBody, waits=True),
    "SegmentationService.Segment": Operation(list[segmentation.ImageSegmentJson], segmentation.SegmentBody, waits=True),
    "SegmentationService.SegmentModel": Operation(
        list[segmentation.ImageSegmentJson], segmentation.SegmentBody, waits=True
    ),
    "DepthEstimationService.EstimateDepth": Operation(depth.DepthJson, depth.DepthBody, waits=True),
    "DepthEstimationService.EstimateDepthModel": Operation(depth.DepthJson, depth.DepthBody, waits=True),
    "SuperResolutionService.Upscale": Operation(
        body=SuperResolutionBody, media="image/png", or_media=("image/jpeg",), waits=True
    ),
    "SuperResolutionService.UpscaleModel": Operation(
        body=SuperResolutionBody, media="image/png", or_media=("image/jpeg",), waits=True
    ),
    "ImageGenerationService.CreateImage": Operation(
        images.ImagesJson, images.ImageGenerationBody, query=_AZURE, waits=True
    ),
    "ImageGenerationService.CreateImageEdit": Operation(
        images.ImagesJson, images.ImageEditForm, body_media=FORM, query=_AZURE, waits=True
    ),
    "ImageGenerationService.DrawText": Operation(body=TextToImageBody, **_DRAWN),
    "ImageGenerationService.DrawTextModel": Operation(body=TextToImageBody, **_DRAWN),
    "ImageGenerationService.DrawImage": Operation(body=ImageToImageBody, **_DRAWN),
    "ImageGenerationService.DrawImageModel": Operation(body=ImageToImageBody, **_DRAWN),
    "VideoService.CreateVideo": Operation(
        body=VideoGenerationBody, media="video/mp4", or_media=("video/webm",), waits=True
    ),
    "TextEmbeddingsService.EmbedTexts": Operation(list[Vector], hugging_face.EmbedBody, **_TEI),
    "TextEmbeddingsService.Run": Operation(_ANY_ANSWER, hugging_face.EmbedBody, **_ANY),
    "TextEmbeddingsService.RunModel": Operation(_ANY_ANSWER, hugging_face.EmbedBody, **_ANY),
    "TextEmbeddingsService.RunPipeline": Operation(_ANY_ANSWER, hugging_face.EmbedBody, **_ANY),
    "TextEmbeddingsService.Similarity": Operation(list[float], tei.SimilarityBody, **_TEI),
    "TextEmbeddingsService.EmbedAll": Operation(list[list[list[float]]], tei.EmbedAllBody, **_TEI),
    "TextEmbeddingsService.Tokenize": Operation(list[list[tei.TokenJson]], tei.TokenizeBody, **_TEI),
    "TextEmbeddingsService.Decode": Operation(list[str], tei.DecodeBody, **_TEI),
    "TextEmbeddingsService.Rerank": Operation(list[classification.RankJson], classification.RankBody, **_TEI),
    "TextEmbeddingsService.Predict": Operation(_LABELS[0], classification.PredictBody, or_answers=_LABELS, **_TEI),
    "TextEmbeddingsService.EmbedSparse": Operation(list[list[tei.SparseValueJson]], tei.EmbedSparseBody, **_TEI),
    "TextEmbeddingsService.Info": Operation(
        dict[str, Any], error=tei.TextEmbeddingsErrorJson, or_answers=(TextEmbeddingsInfoJson, TextGenerationInfoJson)
    ),
    "TextGenerationService.Generate": Operation(tgi.GeneratedTextJson, tgi.TextGenerationBody, **_TGI),
    "TextGenerationService.GenerateStream": Operation(tgi.GeneratedTextJson, tgi.TextGenerationBody, **_TGI),
    "PanopeService.TokenizeText": Operation(token_schemas.TokensJson, token_schemas.TokenizeTextBody, waits=True),
    "PanopeService.DetokenizeText": Operation(token_schemas.TextJson, token_schemas.DetokenizeTextBody, waits=True),
    "PanopeService.Infer": Operation(infer_schemas.InferJson, infer_schemas.InferBody, waits=True),
    "PanopeService.GetModelInfo": Operation(model_schemas.ModelInfoJson),
    "PanopeService.LoadModel": Operation(model_schemas.ModelInfoJson, model_schemas.LoadBody),
    "PanopeService.UnloadModel": Operation(model_schemas.ModelInfoJson, model_schemas.UnloadBody),
    "PanopeService.ListDevices": Operation(model_schemas.DevicesJson),
    "PanopeService.GetCatalogue": Operation(catalogue_schemas.CatalogueJson, query={"task": str, "backend": str}),
    "RegistryService.RegisterModel": Operation(
        registry_schemas.AcceptedJson, registry_schemas.RegisterBody, status=202
    ),
    "RegistryService.PullModel": Operation(registry_schemas.AcceptedJson, registry_schemas.PullBody, status=202),
    "RegistryService.BuildVariant": Operation(registry_schemas.AcceptedJson, registry_schemas.BuildBody, status=202),
    "RegistryService.UpdateModel": Operation(model_schemas.ModelInfoJson, registry_schemas.UpdateBody),
    "RegistryService.PinModel": Operation(model_schemas.ModelInfoJson, registry_schemas.PinBody),
    "RegistryService.UnpinModel": Operation(model_schemas.ModelInfoJson, query={"variant": str}),
    "RegistryService.DeleteModel": Operation(registry_schemas.RemovedJson),
    "RegistryService.ListModelFiles": Operation(registry_schemas.FilesJson),
    "JobService.ListJobs": Operation(
        JobsJson,
        query={"status": JobStatusJson, "kind": str, "limit": _Limit, "after": Annotated[int, Meta(ge=0, le=1 << 53)]},
    ),
    "JobService.GetJob": Operation(JobJson),
    "JobService.CancelJob": Operation(JobJson, empty=True),
    "JobService.RetryJob": Operation(JobJson, empty=True),
    "JobService.WatchJob": Operation(media="text/event-stream"),
    "UsageService.ListUsage": Operation(
        UsageSumsJson,
        query={
            **dict.fromkeys(("since", "until", "by", "key", "model", "task"), _Text),
            "limit": _Limit,
            "after": Annotated[int, Meta(ge=0, le=MAX_OFFSET)],
        },
    ),
    "AliasService.ListAliases": Operation(alias_schemas.AliasesJson, query={"model": str}),
    "AliasService.GetAlias": Operation(alias_schemas.AliasHistoryJson),
    "AliasService.SetAlias": Operation(alias_schemas.AliasJson, alias_schemas.SetBody, changes=True),
    "AliasService.RollbackAlias": Operation(alias_schemas.AliasJson, alias_schemas.RollbackBody, changes=True),
    "AliasService.ExplainRoute": Operation(route_schemas.ExplanationJson, route_schemas.ExplainBody),
    "AliasService.ReportReward": Operation(route_schemas.RewardJson, route_schemas.RewardBody, changes=True),
    "AliasService.DeleteAlias": Operation(
        alias_schemas.ForgottenAliasJson,
        query={"expected": str, "reason": Annotated[str, Meta(max_length=1000)]},
        changes=True,
    ),
}

#: By path, of plain HTTP.
PLAIN: Mapping[str, Operation] = {
    "/health": Operation(HealthJson),
    "/ready": Operation(ReadyJson, not_ready=ReadyJson),
    "/status": Operation(StatusJson),
    "/metrics": Operation(media="text/plain"),
    "/v1/metrics": Operation(media="text/plain"),
    "/openapi.json": Operation(dict[str, Any]),
    "/v1/files/{sha256}": Operation(media=BYTES),
    "/v1/model/{repo:repo}/files/{path:path}": Operation(media=BYTES),
    "GET /v1/keys": Operation(KeysJson, query={"after": _Text, "limit": _Limit, "include_ended": bool}),
    "POST /v1/keys": Operation(KeyJson, CreateKeyBody, status=201, changes=True),
    "/v1/keys/{key}": Operation(KeyJson),
    "/v1/keys/{key}/rotate": Operation(KeyJson, RotateKeyBody),
    "/v1/keys/{key}/revoke": Operation(KeyJson, empty=True),
    "/v1/cache": Operation(CacheJson),
    "/v1/cache/flush": Operation(FlushedJson, empty=True),
    "/hub/api/models": Operation(
        list[models.InfoJson],
        query={
            **dict.fromkeys(("search", "author", "pipeline_tag"), _Text),
            **dict.fromkeys(("filter", "library"), list[_Text]),
            **dict.fromkeys(("gated", "full", "config", "cardData"), bool),
            "sort": Literal["createdAt", "lastModified", "downloads", "likes", "trendingScore"],
            "direction": Literal["1", "-1"],
            "limit": Annotated[int, Meta(ge=1, le=models.MOST)],
            "cursor": _Cursor,
            "expand": _Expand,
        },
        error=HubErrorJson,
    ),
    "/hub/api/models/{repo:repo}": _INFO,
    "/hub/api/models/{repo:repo}/revision/{revision:path}": _INFO,
    "/hub/api/models/{repo:repo}/refs": Operation(hub.RefsJson, query={"include_prs": _Text}, error=HubErrorJson),
    "/hub/api/models/{repo:repo}/commits/{revision:path}": Operation(
        list[hub.CommitJson],
        query={
            "expand": list[Literal["formatted"]],
            "limit": Annotated[int, Meta(ge=1, le=hub.MOST_COMMITS)],
            "p": Annotated[int, Meta(ge=0, le=1 << 31)],
            "cursor": _Cursor,
        },
        error=HubErrorJson,
    ),
    "/hub/api/models/{repo:repo}/tree/{place:path}": Operation(
        list[EntryJson],
        query={
            "recursive": bool,
            "expand": bool,
            "limit": Annotated[int, Meta(ge=1, le=hub.MOST_ENTRIES)],
            "cursor": _Cursor,
        },
        error=HubErrorJson,
    ),
    "/hub/api/models/{repo:repo}/paths-info/{revision:path}": Operation(
        list[EntryJson], hub.PathsBody, error=HubErrorJson
    ),
    "/hub/{repo:repo}/resolve/{place:path}": Operation(media=BYTES, query={"download": _Text}, error=HubErrorJson),
    "/hub/{repo:repo}/raw/{place:path}": Operation(media="text/plain", query={"download": _Text}, error=HubErrorJson),
}

#: Fields that are read in a second step, and what that step takes.
READ_LATER: Mapping[tuple[type[Struct], str], Sequence[Any]] = {
    (openai.EmbeddingsBody, "input"): (*inputs.INPUTS, *image_inputs.INPUTS),
    (CompletionBody, "prompt"): inputs.INPUTS,
    (hugging_face.EmbedBody, "inputs"): (*inputs.INPUTS, *image_inputs.INPUTS),
    (infer_schemas.InferBody, "value"): (EmbedJson, GenerateValue),
    (tei.DecodeBody, "ids"): inputs.INPUTS[2:],
    (classification.ClassifyBody, "inputs"): classification_inputs.INPUTS,
    (classification.PredictBody, "inputs"): classification_inputs.PREDICT_INPUTS,
}
