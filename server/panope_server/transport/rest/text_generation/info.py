"""What Text Generation Inference's /info tells."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

import msgspec

from panope_server.config import Settings
from panope_server.observability.metrics import panope_version
from panope_server.runtime.status import ModelView
from panope_server.tasks.generate.limits import MAX_LOGPROBS, MAX_STOPS
from panope_server.tasks.generate.types import GenerateSpec


class TextGenerationInfoJson(TypedDict):
    """The answer of GET /info where the default model generates.

    Attributes:
        max_concurrent_requests: answers that may wait for the model.
        max_total_tokens: of prompt and answer together; 0 when unknown.
        honoured_fields: of requests, that the model's engine honours.
        defaults: what the model's generation_config.json says.
    """

    model_id: str
    model_sha: str | None
    model_dtype: str
    model_device_type: str
    model_pipeline_tag: Literal["text-generation", "text2text-generation"]
    max_concurrent_requests: int
    max_best_of: int
    max_stop_sequences: int
    max_top_n_tokens: int
    max_input_tokens: int
    max_total_tokens: int
    max_batch_size: int
    max_client_batch_size: int
    has_chat_template: bool
    has_tools: bool
    has_reasoning: bool
    honoured_fields: list[str]
    defaults: dict[str, Any]
    router: str
    version: str
    sha: None
    docker_label: None


def generation_info(view: ModelView, spec: GenerateSpec, settings: Settings) -> TextGenerationInfoJson:
    """The answer for a loaded model."""
    instance = view.instances[0] if view.instances else None
    return {
        "model_id": view.name,
        "model_sha": view.commit or None,
        "model_dtype": instance.precision if instance else "",
        "model_device_type": instance.device.lower() if instance else "",
        "model_pipeline_tag": "text2text-generation" if spec.max_source_length else "text-generation",
        "max_concurrent_requests": settings.limits.max_queue_items,
        "max_best_of": 1,
        "max_stop_sequences": MAX_STOPS,
        "max_top_n_tokens": MAX_LOGPROBS,
        "max_input_tokens": spec.max_source_length or max(spec.max_positions - 1, 0),
        "max_total_tokens": spec.max_source_length + spec.max_positions,
        "max_batch_size": spec.slots,
        "max_client_batch_size": 1,
        "has_chat_template": spec.has_chat_template,
        "has_tools": spec.has_tools,
        "has_reasoning": spec.has_reasoning,
        "honoured_fields": sorted(spec.honoured),
        "defaults": msgspec.json.decode(spec.defaults or b"{}", type=dict[str, Any]),
        "router": "panope",
        "version": panope_version(),
        "sha": None,
        "docker_label": None,
    }
