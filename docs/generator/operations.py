"""What each REST route takes and gives, as types: the part of /openapi.json that protos do not say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from panope_server.tasks.embed.json_form import EmbedJson
from panope_server.tasks.generate.json_form import GenerateValue
from panope_server.transport.error_json import ErrorJson
from panope_server.transport.http.admin import HealthJson, ReadyJson
from panope_server.transport.http.hub import app as hub
from panope_server.transport.http.hub import models
from panope_server.transport.http.hub.errors import HubErrorJson
from panope_server.transport.http.hub.trees import EntryJson
from panope_server.transport.http.status import StatusJson
from panope_server.transport.job_json import JobJson, JobsJson, JobStatusJson
from panope_server.transport.paging import MAX_PAGE_SIZE
from panope_server.transport.rest.classification import inputs as classification_inputs
from panope_server.transport.rest.classification import schemas as classification
from panope_server.transport.rest.classification import vllm_schemas as vllm
from panope_server.transport.rest.detection import schemas as detection
from panope_server.transport.rest.embedding import inputs
from panope_server.transport.rest.embedding.vectors import Vector
from panope_server.transport.rest.hugging_face import schemas as hugging_face
from panope_server.transport.rest.hugging_face.errors import HuggingFaceErrorJson
from panope_server.transport.rest.hugging_face.image_text.schemas import (
    PictureBody,
    PictureTextJson,
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
from panope_server.transport.rest.openai import schemas as openai
from panope_server.transport.rest.openai.chat.answers import ChatJson
from panope_server.transport.rest.openai.chat.schemas import ChatBody
from panope_server.transport.rest.openai.completions.answers import CompletionJson
from panope_server.transport.rest.openai.completions.schemas import CompletionBody
from panope_server.transport.rest.openai.responses.answers import ResponseJson
from panope_server.transport.rest.openai.responses.schemas import ResponseBody
from panope_server.transport.rest.panope import (
    alias_schemas,
    infer_schemas,
    model_schemas,
    registry_schemas,
    token_schemas,
)
from panope_server.transport.rest.panope.usage_servicer import MAX_OFFSET
from panope_server.transport.rest.speech import fields as speech_fields
from panope_server.transport.rest.speech import formats as speech
from panope_server.transport.rest.speech.recognition import RecognitionBody
from panope_server.transport.rest.text_embeddings import schemas as tei
from panope_server.transport.rest.text_embeddings.info import TextEmbeddingsInfoJson
from panope_server.transport.rest.text_generation import schemas as tgi
from panope_server.transport.rest.text_generation.info import TextGenerationInfoJson
from panope_server.transport.usage_json import UsageSumsJson

JSON = "application/json"
BYTES = "application/octet-stream"
FORM = "multipart/form-data"

_Text = Annotated[str, Meta(max_length=200)]
_Cursor = Annotated[int, Meta(ge=0, le=1 << 53)]
_Expand = list[Literal[tuple(name for name in models.InfoJson.__annotations__ if name != "_id")]]
_Limit = Annotated[int, Meta(ge=1, le=MAX_PAGE_SIZE)]

#: Values of paths.
PATHS: Mapping[str, tuple[Any, str]] = {
    "model": (
        Annotated[str, Meta(min_length=1, examples=["sentence-transformers/all-MiniLM-L6-v2"])],
        "A model's name or an alias; `/` is written `%2F`, or as it is.",
    ),
    "task": (
        Literal["feature-extraction", "sentence-similarity", "text-generation"],
        "The task in Hugging Face's words.",
    ),
    "job": (Annotated[int, Meta(ge=1)], "The job's id."),
    "alias": (Annotated[str, Meta(min_length=1)], "The alias's name; `/` is written `%2F`, or as it is."),
    "sha256": (Annotated[str, Meta(pattern="^[0-9a-f]{64}$")], "The SHA-256 of the file, in hexadecimal."),
    "repo": (
        Annotated[str, Meta(min_length=1, examples=["sentence-transformers/all-MiniLM-L6-v2"])],
        "The model's name; its `/` is written as it is, or `%2F`.",
    ),
    "revision": (
        Annotated[str, Meta(min_length=1, examples=["main"])],
        "`main`, `HEAD`, a branch, or a commit in 40 hexadecimal digits.",
    ),
    "place": (
        Annotated[str, Meta(min_length=1, examples=["main/config.json"])],
        "A revision and, behind a `/`, a path in the model.",
    ),
    "path": (Annotated[str, Meta(min_length=1)], "The file's path in the model; its `/` are written as they are."),
}

#: What query parameters mean, by their names.
QUERY: Mapping[str, str] = {
    "api-version": "The version that Azure's clients speak; without effect.",
    "task": "Only of this task.",
    "format": "Only models with a variant of this format.",
    "prefix": "Only models whose names begin so.",
    "loaded": "Only models that serve here, or only those that do not.",
    "limit": "How many at most.",
    "after": "What the last answer ended with: the next page comes after it.",
    "status": "Only jobs of this state.",
    "kind": "Only jobs of this kind.",
    "model": "Only of this model.",
    "expected": "The model that the alias must point to now, or nothing happens.",
    "reason": "Why, for the alias's history.",
    "since": "From the hour of this moment on: a day, a moment of RFC 3339, or so long ago such as `36h` or `7d`.",
    "until": "Before the hour of this moment.",
    "by": "What sums are told by, with commas between: `key`, `model`, `task`, `day` or `hour`; one sum without it.",
    "key": "Only of this caller; empty for callers that nobody knows.",
    "search": "Only models whose names hold this, in any case.",
    "author": "Only models whose names begin with this part.",
    "filter": "Only models with all of these tags.",
    "library": "The same, for a library.",
    "pipeline_tag": "Only models of this task, in the hub's words.",
    "gated": "`true` for none: nothing is gated here.",
    "full": "Tell all of each model.",
    "config": "Tell what config.json says.",
    "cardData": "Tell what the card says.",
    "expand": "Tell this alone, or this too.",
    "sort": "The order; nobody counts downloads and likes here, so they give the order of names.",
    "direction": "`1` for rising, `-1` for falling.",
    "cursor": "Where the page begins; the header `link` leads to the next one.",
    "blobs": "Tell sizes and hashes of files.",
    "securityStatus": "Taken; there is none to tell.",
    "include_prs": "Taken; there are none to tell.",
    "recursive": "Tell of what is in folders too.",
    "download": "Taken; files are always sent to be kept.",
    "p": "The page, from 0.",
    "variant": "The digest of one variant, or its beginning.",
}

#: Headers that a call may carry.
WAIT = {
    "name": "x-panope-wait",
    "in": "header",
    "required": False,
    "description": "`true` waits while the model's files are downloaded instead of answering 503.",
    "schema": {"type": "string", "pattern": "^(true|false)?$"},
}
CACHE_CONTROL = {
    "name": "cache-control",
    "in": "header",
    "required": False,
    "description": "Of a server that keeps answers: `no-store` neither takes nor keeps one, `no-cache` computes the "
    "answer anew, `max-age=60` takes none that is older. HTTP's other directives say "
    "nothing here. `x-cache` of the answer says `hit`, `miss` or `bypass`.",
    "schema": {"type": "string"},
}

PRIORITY = {
    "name": "x-panope-priority",
    "in": "header",
    "required": False,
    "description": "`high`, `normal` or `low`: which calls that wait for the same model are taken first.",
    "schema": {"type": "string", "pattern": "^(high|normal|low)?$"},
}

KEEP_ALIVE = {
    "name": "x-panope-keep-alive",
    "in": "header",
    "required": False,
    "description": "How long the model stays loaded when nobody uses it after this call: seconds, or such as `5m`; `0` "
    "unloads it, a negative time keeps it until its memory is needed.",
    "schema": {"type": "string"},
}


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
    waits: bool = False
    changes: bool = False
    events: bool = False
    error: type = ErrorJson
    not_ready: Any = None


_INFO = Operation(models.InfoJson, query={"blobs": bool, "expand": _Expand, "securityStatus": bool}, error=HubErrorJson)
_AZURE: Mapping[str, Any] = {"api-version": str}

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
    "HuggingFaceService.DescribeImage": Operation(list[PictureTextJson], PictureBody, waits=True),
    "HuggingFaceService.DescribeImageModel": Operation(list[PictureTextJson], PictureBody, waits=True),
    "SpeechService.CreateTranscription": Operation(
        speech.TranscriptionJson,
        speech_fields.TranscriptionForm,
        body_media=FORM,
        or_answers=(speech.TranscriptionJson, speech.VerboseTranscriptionJson),
        query=_AZURE,
        waits=True,
        events=True,
    ),
    "SpeechService.CreateTranslation": Operation(
        speech.TranscriptionJson,
        speech_fields.TranslationForm,
        body_media=FORM,
        or_answers=(speech.TranscriptionJson, speech.VerboseTranscriptionJson),
        query=_AZURE,
        waits=True,
    ),
    "SpeechService.RecognizeSpeech": Operation(speech.RecognitionJson, RecognitionBody, waits=True),
    "SpeechService.RecognizeSpeechModel": Operation(speech.RecognitionJson, RecognitionBody, waits=True),
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
    (openai.EmbeddingsBody, "input"): inputs.INPUTS,
    (CompletionBody, "prompt"): inputs.INPUTS,
    (hugging_face.EmbedBody, "inputs"): inputs.INPUTS,
    (infer_schemas.InferBody, "value"): (EmbedJson, GenerateValue),
    (tei.DecodeBody, "ids"): inputs.INPUTS[2:],
    (classification.ClassifyBody, "inputs"): classification_inputs.INPUTS,
    (classification.PredictBody, "inputs"): classification_inputs.PREDICT_INPUTS,
}
