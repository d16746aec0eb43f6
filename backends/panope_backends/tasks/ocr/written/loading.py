"""Loads a model that writes the text of images: its encoder and decoder by the generation core."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from panope.worker.v1.generate_pb2 import GenerateSettings
from panope_backends.api import EncoderDecoderModel, LoadedModel
from panope_backends.errors import PreconditionError
from panope_backends.generation import Decoding, GenerationEngine, GenerationSettings
from panope_backends.generation.text.vocabulary import TokenVocabulary
from panope_backends.media.processors import load_image_processor
from panope_backends.model_facts.image_models import WRITTEN_SLOTS
from panope_backends.tasks.generate.defaults import GenerationDefaults, read_defaults
from panope_backends.tasks.generate.loading.cache_memory import memory_for
from panope_backends.tasks.generate.loading.engine import allocate
from panope_backends.tasks.generate.loading.trial import run_to_end
from panope_backends.tasks.generate.tokenizer.prepared_tokenizer import prepared_tokenizer
from panope_backends.tasks.generate.tokenizer.text_encoder import TextEncoder
from panope_backends.tasks.ocr.written.parsed import TagReader
from panope_backends.tasks.ocr.written.prompts import Prompts, parses
from panope_backends.tasks.ocr.written.requests import WriteRequests
from panope_backends.tasks.task import LoadedTask, ModelSource


def load_writer(source: ModelSource, config: Mapping[str, Any], name: str) -> LoadedTask:
    """Loads one, and lets it write a token.

    Args:
        source: of its files.
        config: its config.json.
        name: of the task.

    Raises:
        PreconditionError: it reads no images, or a file does not say what is needed.
    """
    loaded = source.load_any(config)
    try:
        return _complete(source, config, loaded, name)
    except BaseException:  # whatever it was, the memory is free for the next candidate
        loaded.close()
        raise


def _complete(source: ModelSource, config: Mapping[str, Any], loaded: LoadedModel, name: str) -> LoadedTask:
    if not isinstance(loaded, EncoderDecoderModel) or loaded.source.features is None:
        raise PreconditionError("the backend does not load this model to read images", reason="unsupported_model_kind")
    defaults = _defaults(source, config, loaded.vocab_size)
    encoder = TextEncoder(prepared_tokenizer(source.folder, source.cache_folder))
    has_tags = parses(config)
    added = [each.content for each in encoder.tokenizer.get_added_tokens_decoder().values()]
    requests = WriteRequests(
        load_image_processor(source.folder),
        loaded.source.features,
        Prompts(encoder, defaults.decoder_token_ids[:1], has_tags, loaded.max_positions // 2),
        defaults,
        loaded.max_positions,
        TagReader(added) if has_tags else None,
        source.media_limits,
    )
    slots = allocate(loaded, GenerateSettings(slots=WRITTEN_SLOTS), memory_for(loaded, source.max_memory_bytes))
    decoding = Decoding(TokenVocabulary(encoder.tokenizer), loaded.vocab_size, defaults.eos_token_ids)
    core = GenerationSettings(slots=slots, prefix_cache=False, decoder_token_ids=defaults.decoder_token_ids)
    model = GenerationEngine(loaded, decoding, core)
    run_to_end(model, requests.trial())
    return LoadedTask(model, config, {name: requests.prepare})


def _defaults(source: ModelSource, config: Mapping[str, Any], vocab_size: int) -> GenerationDefaults:
    """As transformers: what generation_config.json leaves out, config.json says, and then its decoder's part."""
    decoder = config.get("decoder")
    whole = {key: value for key, value in config.items() if value is not None and key not in ("decoder", "encoder")}
    merged = {**(decoder if isinstance(decoder, Mapping) else {}), **whole, "is_encoder_decoder": True}
    defaults = read_defaults(source.folder, merged)
    if not defaults.decoder_token_ids or not defaults.eos_token_ids:
        raise PreconditionError(
            "neither generation_config.json nor config.json has a `decoder_start_token_id` and an `eos_token_id`",
            reason="unsupported_model",
        )
    known = range(vocab_size)
    return defaults.honoured_by(frozenset(defaults.values) | {"logit_bias", "forced_eos_token_ids"}, len(known))
