"""Loads a model that writes of images: its vision tower and its decoder by the generation core."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from panope.worker.v1.generate_pb2 import GenerateSettings
from panope_backends.api import EncoderDecoderModel
from panope_backends.errors import PreconditionError
from panope_backends.media.processors import import_transformers, load_image_processor
from panope_backends.model_facts.image_models import (
    ends_prompts_with_a_line,
    image_places,
    puts_images_in_places,
    reads_questions,
    reads_whole_prompts,
)
from panope_backends.tasks.generate.captions.prompts import CaptionPrompts, PromptForm
from panope_backends.tasks.generate.captions.requests import CaptionRequests
from panope_backends.tasks.generate.defaults import GenerationDefaults, read_defaults
from panope_backends.tasks.generate.loading.engine import token_model
from panope_backends.tasks.generate.loading.facts import facts_of
from panope_backends.tasks.generate.loading.trial import run_to_end
from panope_backends.tasks.generate.text_to_text import TextForms
from panope_backends.tasks.generate.tokenizer.prepared_tokenizer import prepared_tokenizer
from panope_backends.tasks.generate.tokenizer.text_encoder import TextEncoder
from panope_backends.tasks.task import LoadedTask, ModelSource
from panope_backends.tasks.tokenize.requests import tokenizer_requests


def load_captions(
    source: ModelSource, settings: GenerateSettings, config: Mapping[str, Any], loaded: EncoderDecoderModel
) -> LoadedTask:
    """What answers for a model, which writes a token before.

    Args:
        source: of its files.
        settings: of the server.
        config: its config.json.
        loaded: by a backend.

    Raises:
        PreconditionError: it reads no images, or a file does not say what is needed.
    """
    features = loaded.source.features
    if features is None or len(features.shape) != 3:
        raise PreconditionError("the backend does not load this model to read images", reason="unsupported_model_kind")
    encoder = TextEncoder(prepared_tokenizer(source.folder, source.cache_folder))
    defaults = caption_defaults(source.folder)
    processor = load_image_processor(source.folder)
    model, check = token_model(loaded, encoder, defaults, settings, source.max_memory_bytes, source.variant_digest)
    honoured = defaults.honoured_by(model.honoured, model.vocab_size)
    asks = reads_questions(config)
    start = defaults.decoder_token_ids if puts_images_in_places(config) else defaults.decoder_token_ids[:1]
    form = None
    if reads_whole_prompts(config):
        places, line = len(image_places(config)), ends_prompts_with_a_line(config)
        form = PromptForm(start[0], line, start[places:])
        start = start if line else start[:places]
    prompts = CaptionPrompts(encoder, start, asks, model.max_positions - 1, form)
    requests = CaptionRequests(
        *(processor, features, prompts, honoured, check, source.media_limits),
        stream_interval=settings.stream_interval or 1,
    )
    run_to_end(model, requests.trial())
    facts = facts_of(model, loaded, honoured, None, TextForms(), fills_in=False)
    facts.has_chat_template = True  # a message is what it takes
    facts.honoured[:] = sorted({*facts.honoured, "images"} - {"features"})
    others = tokenizer_requests(encoder, model.max_positions)
    return LoadedTask(model, config, {"generate": requests.prepare, **others}, facts=facts.SerializeToString())


def caption_defaults(folder: Path) -> GenerationDefaults:
    """What the files say of answers, and what transformers knows of the type where they do not.

    Args:
        folder: of the model.

    Raises:
        PreconditionError: they name no beginning or no end.
    """
    try:
        config = import_transformers().AutoConfig.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except PreconditionError:
        raise
    except Exception as error:  # files are checked by errors of no family
        raise PreconditionError("transformers refuses config.json", reason="load_failed") from error
    text = getattr(config, "text_config", None) or getattr(config, "decoder", config)
    of_text = {name: value for name, value in text.to_dict().items() if value is not None}
    whole = {name: value for name, value in config.to_dict().items() if value is not None}
    defaults = read_defaults(folder, {**of_text, **whole, "is_encoder_decoder": True})
    if text.model_type == "blip_text_model":
        # Its class begins and ends answers by these, whatever the files say beside: its words are BERT's.
        defaults = replace(defaults, decoder_token_ids=(text.bos_token_id,), eos_token_ids=(text.sep_token_id,))
    if places := image_places(config.to_dict()):
        # T5 has none, and BLIP-2's own way to write without words then gives it the end of a text.
        first = text.eos_token_id if text.bos_token_id is None else text.bos_token_id
        defaults = replace(defaults, decoder_token_ids=(*places, first))
    if not defaults.decoder_token_ids or not defaults.eos_token_ids:
        raise PreconditionError(
            "neither generation_config.json nor config.json says what answers begin and end with",
            reason="unsupported_model",
        )
    return defaults
