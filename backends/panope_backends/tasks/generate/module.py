"""How `generate` models are loaded, and which requests they answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from panope.worker.v1 import generate_pb2 as messages
from panope_backends.api import (
    EncoderDecoderModel,
    FinishReason,
    GenerationRequest,
    LoadedModel,
    LoadOptions,
    TokenModel,
)
from panope_backends.errors import InternalError
from panope_backends.generation import GenerationEngine
from panope_backends.tasks.generate.defaults import read_defaults
from panope_backends.tasks.generate.loading.adapters import GenerateAdapters
from panope_backends.tasks.generate.loading.answering import Answering
from panope_backends.tasks.generate.loading.engine import token_model
from panope_backends.tasks.generate.loading.images import images_of
from panope_backends.tasks.generate.tokenizer.prepared_tokenizer import prepared_tokenizer
from panope_backends.tasks.generate.tokenizer.text_encoder import TextEncoder
from panope_backends.tasks.json_files import read_json
from panope_backends.tasks.task import LoadedTask, ModelSource, TaskModule
from panope_backends.tasks.tokenizer_making import has_vocabulary

_TRIAL_WAIT_SECONDS = 1.0


class GenerateModule(TaskModule):
    """Loads a model that generates, with its tokenizer and its chat template."""

    name = "generate"

    def load(self, source: ModelSource) -> LoadedTask:
        """Loads the model and generates a token."""
        settings = messages.GenerateSettings.FromString(source.settings)
        config = read_json(source.folder / "config.json", missing_ok=True)
        options = LoadOptions(
            cache_precision=settings.cache_precision,
            cache_bytes=settings.cache_bytes,
            slots=settings.slots,
            prefix_cache=settings.prefix_cache,
            max_adapters=settings.max_adapters,
            max_adapter_rank=settings.max_adapter_rank,
        )
        loaded = source.load_any(config, options=options)
        try:
            return _complete(source, settings, config, loaded)
        except BaseException:  # whatever it was, the memory is free for the next candidate
            loaded.close()
            raise


def _complete(
    source: ModelSource, settings: messages.GenerateSettings, config: Mapping[str, Any], loaded: LoadedModel
) -> LoadedTask:
    """The task of a model that a backend has loaded."""
    if isinstance(loaded, EncoderDecoderModel) and loaded.source.features is not None:
        from panope_backends.tasks.generate.captions.loading import load_captions  # it brings Pillow

        return load_captions(source, settings, config, loaded)
    # After the model: an engine that has imported transformers by now saves a process.
    prepared = prepared_tokenizer(source.folder, source.cache_folder) if has_vocabulary(source.folder) else None
    encoder = None if prepared is None else TextEncoder(prepared)
    defaults = read_defaults(source.folder, config)
    images, no_images = images_of(source, config, loaded, prepared, encoder)
    model, check = token_model(loaded, encoder, defaults, settings, source.max_memory_bytes, source.variant_digest)
    if images is None:
        model.honoured -= {"images"}
    trial(model)
    answering = Answering(model, loaded, check, settings, config, images, no_images)
    made = answering.of(prepared, encoder, defaults.honoured_by(model.honoured, model.vocab_size))
    adapters = None
    if isinstance(model, GenerationEngine) and model.max_adapters and prepared is not None:
        adapters = GenerateAdapters(model, answering, prepared, defaults, source.cache_folder)
    return LoadedTask(model, config, made.requests, facts=made.facts, end=made.end, adapters=adapters)


def trial(model: TokenModel) -> None:
    """Generates a token, so that a model that cannot answer is never called ready.

    Raises:
        PanopeError: the model gives no token.
    """
    by_ids = "prompt_token_ids" in model.honoured
    prompt: dict[str, Any] = {"prompt_token_ids": (0,)} if by_ids else {"prompt": "a"}
    if model.is_tried:
        return
    model.submit(GenerationRequest(id=0, max_tokens=1, **prompt))
    while True:
        for delta in model.deltas(_TRIAL_WAIT_SECONDS):
            if delta.finish_reason not in (None, FinishReason.STOP, FinishReason.LENGTH):
                raise delta.error or InternalError("the model did not answer in its trial run")
            if delta.usage is not None:
                return
