"""What loaded models take and give, by their tasks, in JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import msgspec
from msgspec import Struct

from panope_backends.api import TensorSpec
from panope_server.tasks.classify import ClassifySpec
from panope_server.tasks.embed import EmbedSpec
from panope_server.tasks.generate.types import GenerateSpec
from panope_server.tasks.text_spec import TextSpec
from panope_server.tasks.vision.diffusion_spec import DiffusionSpec
from panope_server.transport.rest.panope.tensor_json import DATATYPES, Datatype


class EmbedSpecJson(Struct):
    """What an `embed` model takes and gives; `dimensions` is 0 while unknown."""

    dimensions: int
    max_tokens: int
    prompt_names: list[str]
    pooling: str
    normalize: bool
    batching: str
    inputs: list[str]
    image_poolings: list[str]


class ClassifySpecJson(Struct):
    """What a model with labels, of the task `classify`, `rerank` or `token-classify`, takes and gives.

    Attributes:
        labels: by their ids.
        max_tokens: of one text, or of two with those between them.
        function: that makes scores of the model's values by default: `softmax`, `sigmoid` or `none`.
        entailment_label: by which labels of a caller's own are scored; empty where it has none.
        batching: as of an `embed` model.
    """

    labels: list[str]
    max_tokens: int
    function: str
    entailment_label: str
    batching: str


class TextSpecJson(Struct):
    """What a model of the task `question-answer` or `fill-mask` takes.

    Attributes:
        max_tokens: that it reads at once, special tokens included.
        mask_token: that stands in texts for what is filled in; empty for models that fill in nothing.
        batching: as of an `embed` model.
    """

    max_tokens: int
    mask_token: str
    batching: str


class GenerateSpecJson(Struct):
    """What a `generate` model takes and gives.

    Attributes:
        defaults: what its generation_config.json says, by the names of a request's fields.
    """

    max_positions: int
    vocab_size: int
    slots: int
    has_chat_template: bool
    has_tools: bool
    has_reasoning: bool
    template_kwargs: list[str]
    honoured_fields: list[str]
    defaults: dict[str, Any]
    eos_token_ids: list[int]
    cache_precision: str
    cache_tokens: int
    max_source_length: int
    languages: list[str]
    ignored_defaults: list[str]


class DiffusionSpecJson(Struct):
    """What a model of the task `image-generation` or `video-generation` takes and honours.

    Attributes:
        pipeline: the class of diffusers that it is.
        inputs: what it can begin from: `text`, `image`, `mask`.
        honoured_fields: of `negative_prompt`, `guidance_scale` and `strength`.
        size_multiple: that sides are multiples of, in pixels.
        width: of an image for which none is asked for, in pixels.
        height: the same.
        steps: where none are asked for.
        guidance_scale: where none is asked for; 0 where the model has none.
        has_safety_checker: whether images are looked at by a model of its files.
        frames: of a video where none are asked for; 0 for a model of images.
        frames_multiple: that the frames of a video less 1 are a multiple of.
        frames_per_second: of a video where none are asked for.
    """

    pipeline: str
    inputs: list[str]
    honoured_fields: list[str]
    size_multiple: int
    width: int
    height: int
    steps: int
    guidance_scale: float
    has_safety_checker: bool
    frames: int
    frames_multiple: int
    frames_per_second: int


class TensorSpecJson(Struct):
    """What a model takes or gives under one name.

    Attributes:
        datatype: as tensors of requests have it.
        shape: -1 where any length is accepted.
        axes: the names that the model's own file gives its axes; empty where it gives none.
    """

    name: str
    datatype: Datatype
    shape: list[int]
    axes: list[str]


def embed_spec(spec: EmbedSpec) -> EmbedSpecJson:
    """Of an `embed` model."""
    return EmbedSpecJson(
        dimensions=spec.dimensions,
        max_tokens=spec.max_tokens,
        prompt_names=list(spec.prompt_names),
        pooling=spec.pooling,
        normalize=spec.normalize,
        batching=spec.batching,
        inputs=list(spec.inputs),
        image_poolings=list(spec.image_poolings),
    )


def classify_spec(spec: ClassifySpec) -> ClassifySpecJson:
    """Of a model with labels."""
    return ClassifySpecJson(
        labels=list(spec.labels),
        max_tokens=spec.max_tokens,
        function=spec.function,
        entailment_label=spec.entailment_label,
        batching=spec.batching,
    )


def text_spec(spec: TextSpec) -> TextSpecJson:
    """Of a model that answers questions or fills masks."""
    return TextSpecJson(spec.max_tokens, spec.mask_token, spec.batching)


def diffusion_spec(spec: DiffusionSpec) -> DiffusionSpecJson:
    """Of a model that draws."""
    return DiffusionSpecJson(**asdict(spec) | {"inputs": [*spec.inputs], "honoured_fields": [*spec.honoured_fields]})


def generate_spec(spec: GenerateSpec) -> GenerateSpecJson:
    """Of a `generate` model."""
    return GenerateSpecJson(
        max_positions=spec.max_positions,
        vocab_size=spec.vocab_size,
        slots=spec.slots,
        has_chat_template=spec.has_chat_template,
        has_tools=spec.has_tools,
        has_reasoning=spec.has_reasoning,
        template_kwargs=list(spec.template_kwargs),
        honoured_fields=sorted(spec.honoured),
        defaults=msgspec.json.decode(spec.defaults or b"{}", type=dict[str, Any]),
        eos_token_ids=list(spec.eos_token_ids),
        cache_precision=spec.cache_precision,
        cache_tokens=spec.cache_tokens,
        max_source_length=spec.max_source_length,
        languages=list(spec.languages),
        ignored_defaults=list(spec.ignored_defaults),
    )


def tensor_specs(specs: Sequence[TensorSpec]) -> list[TensorSpecJson]:
    """Of the tensors of a model."""
    return [TensorSpecJson(spec.name, DATATYPES[spec.dtype], list(spec.shape), list(spec.axes)) for spec in specs]
