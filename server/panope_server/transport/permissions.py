"""What each gRPC method asks of its caller.

A method that is not listed is refused to everybody: one that is added is decided on here, or answers nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from panope_backends.errors import PermissionDeniedError
from panope_registry.access.scopes import READ, RUN, WRITE
from panope_server.access.authentication import unauthenticated
from panope_server.access.principal import Principal


@dataclass(frozen=True, slots=True)
class Permission:
    """What a caller must be allowed.

    Attributes:
        resource: of a scope, or a task; empty where whoever is let in may do it.
        action: on that.
        is_public: whether callers need not be let in; what is told to them is up to the method.
        is_for_own: whether callers who may run some task need no scope: they are told of what is their own.
    """

    resource: str = ""
    action: str = ""
    is_public: bool = False
    is_for_own: bool = False

    @property
    def is_inference(self) -> bool:
        """Whether the pipeline has the last word, which knows the model and its task."""
        return self.action == RUN

    def check(self, principal: Principal) -> None:
        """Refuses who may not.

        Raises:
            UnauthenticatedError: it is somebody without a key, who might with one.
            PermissionDeniedError: its key has no such scope.
        """
        if not self.resource or self.is_public or principal.may_use(self.resource, self.action):
            return
        if (self.is_inference or self.is_for_own) and principal.scopes.allow_some_task:
            return
        if principal.is_anonymous:
            raise unauthenticated()
        raise PermissionDeniedError(
            f"the key has no scope for this: it needs `{self.resource}:{self.action}`", reason="scope_missing"
        )


PUBLIC = Permission(is_public=True)
#: For whoever is let in.
KNOWN = Permission()
#: Any task; which one is known when the model is.
INFERENCE = Permission("infer", RUN)
MODELS_READ, MODELS_WRITE = Permission("models", READ), Permission("models", WRITE)
ALIASES_READ, ALIASES_WRITE = Permission("aliases", READ), Permission("aliases", WRITE)
KEYS_READ, KEYS_WRITE = Permission("keys", READ), Permission("keys", WRITE)
CACHE_READ, CACHE_WRITE = Permission("cache", READ), Permission("cache", WRITE)
USAGE_READ = Permission("usage", READ)
#: Whoever may generate by jobs may follow and end its own.
JOBS_READ, JOBS_WRITE = Permission("jobs", READ, is_for_own=True), Permission("jobs", WRITE, is_for_own=True)

_ALIASES = {
    **dict.fromkeys(("ListAliases", "GetAlias", "ExplainRoute"), ALIASES_READ),
    "ReportReward": INFERENCE,
    **dict.fromkeys(("SetAlias", "RollbackAlias", "DeleteAlias"), ALIASES_WRITE),
}
_JOBS = {
    **dict.fromkeys(("ListJobs", "GetJob", "WatchJob"), JOBS_READ),
    **dict.fromkeys(("CancelJob", "RetryJob"), JOBS_WRITE),
}
_GENERATION_JOBS = {
    **dict.fromkeys(("SubmitImages", "SubmitVideo", "SubmitInterpolation"), INFERENCE),
    "DeleteJobFiles": JOBS_WRITE,
}
_CHANGES_OF_MODELS = dict.fromkeys(
    ("RegisterModel", "UpdateModel", "PullModel", "BuildVariant", "PinModel", "UnpinModel", "DeleteModel"), MODELS_WRITE
)
_LOADS = dict.fromkeys(("LoadModel", "UnloadModel"), MODELS_WRITE)
_REFLECTION = {"ServerReflectionInfo": KNOWN}

_SERVICES: Mapping[str, Mapping[str, Permission]] = {
    "grpc.health.v1.Health": dict.fromkeys(("Check", "List", "Watch"), PUBLIC),
    "grpc.reflection.v1.ServerReflection": _REFLECTION,
    "grpc.reflection.v1alpha.ServerReflection": _REFLECTION,
    "panope.v1.AliasService": _ALIASES,
    "panope.v1.CacheService": {"GetCacheStatistics": CACHE_READ, "FlushCache": CACHE_WRITE},
    "panope.v1.ClassifyService": dict.fromkeys(
        ("Classify", "ClassifyTokens", "ClassifyZeroShot", "ClassifyImages", "ClassifyAudio", "ClassifyVideo"),
        INFERENCE,
    ),
    "panope.v1.DetectService": dict.fromkeys(("Detect", "StreamDetect"), INFERENCE),
    "panope.v1.SegmentService": {"Segment": INFERENCE},
    "panope.v1.DepthService": {"EstimateDepth": INFERENCE},
    "panope.v1.OcrService": {"Recognize": INFERENCE},
    "panope.v1.ImageService": dict.fromkeys(("Upscale", "GenerateImages"), INFERENCE),
    "panope.v1.VideoService": {"GenerateVideo": INFERENCE, "InterpolateVideo": INFERENCE},
    "panope.v1.EmbedService": dict.fromkeys(("Embed", "StreamEmbed", "Tokenize", "Detokenize"), INFERENCE),
    "panope.v1.GenerationJobService": {**_GENERATION_JOBS, "ReadJobFile": JOBS_READ},
    "panope.v1.GenerateService": dict.fromkeys(("Generate", "StreamGenerate", "Chat", "StreamChat"), INFERENCE),
    "panope.v1.InferService": dict.fromkeys(("Infer", "StreamInfer"), INFERENCE),
    "panope.v1.JobService": _JOBS,
    "panope.v1.KeyService": {
        **dict.fromkeys(("ListKeys", "GetKey"), KEYS_READ),
        **dict.fromkeys(("CreateKey", "RotateKey", "RevokeKey"), KEYS_WRITE),
    },
    "panope.v1.RegistryService": {
        **dict.fromkeys(("ListModels", "GetModel", "ListModelFiles", "ListDevices", "GetCatalogue"), MODELS_READ),
        **_CHANGES_OF_MODELS,
        **_LOADS,
    },
    "panope.v1.RerankService": {"Rerank": INFERENCE},
    "panope.v1.SpeechService": dict.fromkeys(
        (
            "Transcribe",
            "StreamTranscribe",
            "LiveTranscribe",
            "DetectSpeech",
            "StreamDetectSpeech",
            "Speak",
            "StreamSpeak",
        ),
        INFERENCE,
    ),
    "panope.v1.TextService": dict.fromkeys(("AnswerQuestion", "AnswerTableQuestion", "FillMask"), INFERENCE),
    "panope.v1.UsageService": {"ListUsage": USAGE_READ},
    "panope.rest.v1.AliasService": _ALIASES,
    "panope.rest.v1.ClassificationService": dict.fromkeys(
        ("Classify", "ClassifyModel", "ScoreTexts", "RerankDocuments"), INFERENCE
    ),
    "panope.rest.v1.DetectionService": dict.fromkeys(("Detect", "DetectModel"), INFERENCE),
    "panope.rest.v1.DepthEstimationService": dict.fromkeys(("EstimateDepth", "EstimateDepthModel"), INFERENCE),
    "panope.rest.v1.SuperResolutionService": dict.fromkeys(("Upscale", "UpscaleModel"), INFERENCE),
    "panope.rest.v1.ImageGenerationService": dict.fromkeys(
        ("CreateImage", "CreateImageEdit", "TextToImage", "TextToImageModel", "ImageToImage", "ImageToImageModel"),
        INFERENCE,
    ),
    "panope.rest.v1.VideoService": {"GenerateVideo": INFERENCE, "InterpolateVideo": INFERENCE},
    "panope.rest.v1.SegmentationService": dict.fromkeys(("Segment", "SegmentModel"), INFERENCE),
    "panope.rest.v1.OcrService": dict.fromkeys(("Recognize", "RecognizeModel"), INFERENCE),
    "panope.rest.v1.GenerationJobService": _GENERATION_JOBS,
    "panope.rest.v1.HuggingFaceService": dict.fromkeys(
        (
            *("Embed", "EmbedModel", "Summarize", "SummarizeModel", "Translate", "TranslateModel"),
            *("AnswerVisualQuestion", "AnswerVisualQuestionModel", "DescribeImage", "DescribeImageModel"),
            *("AnswerDocumentQuestion", "AnswerDocumentQuestionModel"),
            *("AnswerQuestion", "AnswerQuestionModel", "FillMask", "FillMaskModel"),
            *("AnswerTableQuestion", "AnswerTableQuestionModel"),
        ),
        INFERENCE,
    ),
    "panope.rest.v1.JobService": _JOBS,
    "panope.rest.v1.OpenAiGenerationService": dict.fromkeys(
        ("CreateCompletion", "CreateChatCompletion", "CreateResponse"), INFERENCE
    ),
    "panope.rest.v1.OpenAiVideoService": {
        "CreateVideo": INFERENCE,
        **dict.fromkeys(("ListVideos", "GetVideo"), JOBS_READ),
        "DeleteVideo": JOBS_WRITE,
    },
    "panope.rest.v1.OpenAiService": {
        "CreateEmbeddings": INFERENCE,
        **dict.fromkeys(("ListModels", "GetModel"), MODELS_READ),
    },
    "panope.rest.v1.PanopeService": {
        **dict.fromkeys(("Infer", "TokenizeText", "DetokenizeText"), INFERENCE),
        **dict.fromkeys(("GetModelInfo", "ListDevices", "GetCatalogue"), MODELS_READ),
        **_LOADS,
    },
    "panope.rest.v1.RegistryService": {**_CHANGES_OF_MODELS, "ListModelFiles": MODELS_READ},
    "panope.rest.v1.SpeechService": dict.fromkeys(
        (
            *("CreateTranscription", "CreateTranslation", "RecognizeSpeech", "RecognizeSpeechModel"),
            *("CreateSpeech", "SpeakText", "SpeakTextModel", "DetectVoiceActivity"),
            *("ClassifyAudio", "ClassifyAudioModel"),
        ),
        INFERENCE,
    ),
    "panope.rest.v1.TextEmbeddingsService": {
        **dict.fromkeys(("EmbedTexts", "Run", "RunModel", "RunPipeline", "Similarity", "EmbedAll"), INFERENCE),
        **dict.fromkeys(("Tokenize", "Decode", "Rerank", "Predict", "EmbedSparse"), INFERENCE),
        "Info": MODELS_READ,
    },
    "panope.rest.v1.UsageService": {"ListUsage": USAGE_READ},
    "panope.rest.v1.TextGenerationService": dict.fromkeys(("Generate", "GenerateStream"), INFERENCE),
}

#: By the method's path, such as `/panope.v1.EmbedService/Embed`.
PERMISSIONS: Mapping[str, Permission] = {
    f"/{service}/{method}": permission
    for service, methods in _SERVICES.items()
    for method, permission in methods.items()
}
