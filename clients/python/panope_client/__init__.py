"""Panope's Python client.

from panope_client import Client

with Client("localhost:8001") as client:
    embeddings = client.embed(["hello"], "sentence-transformers/all-MiniLM-L6-v2")
    print(embeddings.vectors.shape)
"""

from panope.v1.cache_service_pb2 import GetCacheStatisticsResponse, ModelCacheStatistics
from panope.v1.classify_service_pb2 import (
    ClassifyImagesResponse,
    ClassifyResponse,
    ClassifyTokensResponse,
    ClassifyZeroShotResponse,
)
from panope.v1.depth_service_pb2 import EstimateDepthResponse
from panope.v1.detect_service_pb2 import DetectResponse
from panope.v1.generate_service_pb2 import (
    ChatResponse,
    GenerateResponse,
    StreamChatResponse,
    StreamGenerateResponse,
    TextToText,
)
from panope.v1.image_service_pb2 import GeneratedImage, GenerateImagesResponse, UpscaleResponse
from panope.v1.job_service_pb2 import Job, JobFile
from panope.v1.key_service_pb2 import CreateKeyResponse, Key, RotateKeyResponse
from panope.v1.model_pb2 import Instance, Model, Variant
from panope.v1.ocr_service_pb2 import RecognizeResponse
from panope.v1.registry_service_pb2 import Device, Upstream
from panope.v1.rerank_service_pb2 import RerankResponse
from panope.v1.segment_service_pb2 import SegmentResponse
from panope.v1.speech_service_pb2 import (
    SpeakResponse,
    StreamSpeakResponse,
    StreamTranscribeResponse,
    TranscribeResponse,
)
from panope.v1.text_service_pb2 import AnswerQuestionResponse, AnswerTableQuestionResponse, FillMaskResponse
from panope.v1.usage_service_pb2 import Usage
from panope.v1.video_service_pb2 import GenerateVideoResponse, InterpolateVideoResponse
from panope_client.aio.client import AsyncClient
from panope_client.errors import (
    DeadlineError,
    InvalidArgumentError,
    InvalidInputError,
    InvalidResponseError,
    NotFoundError,
    OverloadedError,
    PanopeClientError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
    UnavailableError,
)
from panope_client.hardware import on_hardware
from panope_client.messages.classify import ClassifyOptions, ClassifyTokensOptions, RerankOptions, ZeroShotOptions
from panope_client.messages.embed import EmbedOptions
from panope_client.messages.generate import GenerateOptions
from panope_client.messages.generated_image import GenerateImagesOptions
from panope_client.messages.image import (
    ClassifyImagesOptions,
    DepthOptions,
    DetectOptions,
    EmbedImagesOptions,
    RecognizeDocumentOptions,
    RecognizeOptions,
    SegmentOptions,
    UpscaleOptions,
)
from panope_client.messages.interpolation import InterpolateVideoOptions
from panope_client.messages.speech import TranscribeOptions
from panope_client.messages.text import AnswerQuestionOptions, AnswerTableQuestionOptions, FillMaskOptions
from panope_client.messages.video import GenerateVideoOptions, Video
from panope_client.results import Embeddings, Health, SparseVector, Tokens
from panope_client.retry import RetryPolicy
from panope_client.sync.client import Client

__all__ = [
    "AnswerQuestionOptions",
    "AnswerQuestionResponse",
    "AnswerTableQuestionOptions",
    "AnswerTableQuestionResponse",
    "AsyncClient",
    "ChatResponse",
    "ClassifyImagesOptions",
    "ClassifyImagesResponse",
    "ClassifyOptions",
    "ClassifyResponse",
    "ClassifyTokensOptions",
    "ClassifyTokensResponse",
    "ClassifyZeroShotResponse",
    "Client",
    "CreateKeyResponse",
    "DeadlineError",
    "DepthOptions",
    "DetectOptions",
    "DetectResponse",
    "Device",
    "EmbedImagesOptions",
    "EmbedOptions",
    "Embeddings",
    "EstimateDepthResponse",
    "FillMaskOptions",
    "FillMaskResponse",
    "GenerateImagesOptions",
    "GenerateImagesResponse",
    "GenerateOptions",
    "GenerateResponse",
    "GenerateVideoOptions",
    "GenerateVideoResponse",
    "GeneratedImage",
    "GetCacheStatisticsResponse",
    "Health",
    "Instance",
    "InterpolateVideoOptions",
    "InterpolateVideoResponse",
    "InvalidArgumentError",
    "InvalidInputError",
    "InvalidResponseError",
    "Job",
    "JobFile",
    "Key",
    "Model",
    "ModelCacheStatistics",
    "NotFoundError",
    "OverloadedError",
    "PanopeClientError",
    "PermissionDeniedError",
    "PreconditionError",
    "RecognizeDocumentOptions",
    "RecognizeOptions",
    "RecognizeResponse",
    "RerankOptions",
    "RerankResponse",
    "RetryPolicy",
    "RotateKeyResponse",
    "SegmentOptions",
    "SegmentResponse",
    "SparseVector",
    "SpeakResponse",
    "StreamChatResponse",
    "StreamGenerateResponse",
    "StreamSpeakResponse",
    "StreamTranscribeResponse",
    "TextToText",
    "Tokens",
    "TranscribeOptions",
    "TranscribeResponse",
    "UnauthenticatedError",
    "UnavailableError",
    "UpscaleOptions",
    "UpscaleResponse",
    "Upstream",
    "Usage",
    "Variant",
    "Video",
    "ZeroShotOptions",
    "on_hardware",
]
