"""The backend contract: what an engine implements so that Panope can run models on it.

A backend runs tensors or tokens; a task adapter (`panope_backends.tasks`) turns typed requests into them and back. A
backend therefore knows nothing of requests or the network, and every task works on every backend. What `Backend.load`
returns is one of six kinds of model:

    TensorModel   named arrays to named arrays, once a call: encoders, detectors, …
    StepModel     tokens to logits, one step of a decoder over a paged cache; the generation core samples; with an
                  encoder it is an EncoderDecoderModel, one that also tells what it looks at an AlignableModel, one
                  that runs adapters beside its weights an AdaptableStepModel, and one that sees images an
                  ImageTextModel
    TokenModel    prompts, or conversations, to tokens or texts: an engine that samples itself, or a server elsewhere
    EmbeddingModel  texts to vectors: an engine that tokenizes itself, or a server elsewhere
    ClassificationModel  texts, or pairs of them, to values of labels: a server elsewhere
    DiffusionModel  texts, and perhaps images, to images or videos, step by step

Lifetimes. A `Backend` is created with no arguments, in a worker process and, to ask `devices()` and `supports()`, in a
short-lived probe process. A worker loads one model once and calls `LoadedModel.close()` before it ends.

Threads. The methods of a backend and of a model are called from one thread at a time, not always the same one, unless
the model's kind says otherwise. They may use threads of their own and must release the interpreter lock while they
compute: a worker that says nothing for 30 seconds (`workers.heartbeat_timeout_seconds`), or whose run takes longer than
120 (`workers.hang_timeout_seconds`), is ended.

Ownership. Arrays given to a model belong to the caller: it reads them only until the method returns and never changes
them. Arrays that a model returns belong to the caller and must not change afterwards, unless the model's kind says
otherwise.

Errors. Raise `panope_backends.errors.InvalidInputError` for input at fault, `PreconditionError` for a model that cannot
run here. Any other exception is logged in full and reaches the caller as "internal error" without its text.

A third party registers its class under the entry-point group `panope.backends`; the entry point's name is the backend's
name. `panope_backends.testing` has a conformance suite for each kind of model.
"""

from panope_backends.api.backend import (
    API_VERSION,
    OLDEST_API_VERSION,
    Backend,
    Device,
    Level,
    LoadOptions,
    ModelFacts,
    PeerMemory,
    Support,
)
from panope_backends.api.classification_model import ClassificationModel, ClassificationRequest, Classifications
from panope_backends.api.conversation import Conversation, ToolCallDelta
from panope_backends.api.conversion import Conversion, Converter
from panope_backends.api.diffusion_model import DiffusionFacts, DiffusionModel, DiffusionRequest, DiffusionRun, Drawn
from panope_backends.api.embedding_model import EmbeddingModel, EmbeddingRequest, Embeddings
from panope_backends.api.generation import (
    FinishReason,
    GenerationRequest,
    GenerationUsage,
    Grammar,
    GrammarKind,
    Logprob,
    SamplingParams,
    TokenDelta,
    TokenLogprobs,
)
from panope_backends.api.generation_statistics import TOKEN_INTERVAL_BOUNDS, GenerationStatistics
from panope_backends.api.loaded_model import LoadedModel
from panope_backends.api.source_features import FeatureSpec, SourceFeatures
from panope_backends.api.step_models.adaptable_step_model import AdaptableStepModel
from panope_backends.api.step_models.alignable_model import AlignableModel, Head
from panope_backends.api.step_models.encoder_decoder_model import EncoderDecoderModel, SourceSpec
from panope_backends.api.step_models.image_text_model import ImageTextModel
from panope_backends.api.step_models.prompt_image import PromptImage
from panope_backends.api.step_models.step_batch import StepBatch, StepSequence
from panope_backends.api.step_models.step_model import CacheSpec, StepModel
from panope_backends.api.tensor_model import Arrays, TensorModel, TensorSpec
from panope_backends.api.text_codec import TextCodec
from panope_backends.api.token_model import TokenModel
from panope_backends.api.token_rules import TimestampRules, TokenRules

__all__ = [
    "API_VERSION",
    "OLDEST_API_VERSION",
    "TOKEN_INTERVAL_BOUNDS",
    "AdaptableStepModel",
    "AlignableModel",
    "Arrays",
    "Backend",
    "CacheSpec",
    "ClassificationModel",
    "ClassificationRequest",
    "Classifications",
    "Conversation",
    "Conversion",
    "Converter",
    "Device",
    "DiffusionFacts",
    "DiffusionModel",
    "DiffusionRequest",
    "DiffusionRun",
    "Drawn",
    "EmbeddingModel",
    "EmbeddingRequest",
    "Embeddings",
    "EncoderDecoderModel",
    "FeatureSpec",
    "FinishReason",
    "GenerationRequest",
    "GenerationStatistics",
    "GenerationUsage",
    "Grammar",
    "GrammarKind",
    "Head",
    "ImageTextModel",
    "Level",
    "LoadOptions",
    "LoadedModel",
    "Logprob",
    "ModelFacts",
    "PeerMemory",
    "PromptImage",
    "SamplingParams",
    "SourceFeatures",
    "SourceSpec",
    "StepBatch",
    "StepModel",
    "StepSequence",
    "Support",
    "TensorModel",
    "TensorSpec",
    "TextCodec",
    "TimestampRules",
    "TokenDelta",
    "TokenLogprobs",
    "TokenModel",
    "TokenRules",
    "ToolCallDelta",
]
