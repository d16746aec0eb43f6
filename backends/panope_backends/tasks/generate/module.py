"""How `generate` models are loaded, and which requests they answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from panope.worker.v1 import generate_pb2 as messages
from panope_backends.api import FinishReason, GenerationRequest, LoadedModel, LoadOptions, TextCodec, TokenModel
from panope_backends.errors import InternalError
from panope_backends.tasks.generate.chat.chat_template import ChatTemplate, chat_template
from panope_backends.tasks.generate.chat.chat_tokenizer import chat_tokenizer
from panope_backends.tasks.generate.chat.render import Setup
from panope_backends.tasks.generate.defaults import read_defaults
from panope_backends.tasks.generate.engine import token_model
from panope_backends.tasks.generate.facts import facts_of
from panope_backends.tasks.generate.prepared import PreparedChatTokenizer
from panope_backends.tasks.generate.prepared_tokenizer import prepared_tokenizer
from panope_backends.tasks.generate.prompt_tokens import PromptTokens
from panope_backends.tasks.generate.requests import GenerateRequests
from panope_backends.tasks.generate.text_encoder import TextEncoder
from panope_backends.tasks.generate.text_to_text import TextForms, task_settings
from panope_backends.tasks.json_files import read_json
from panope_backends.tasks.task import LoadedTask, ModelSource, TaskModule
from panope_backends.tasks.tokenize.requests import tokenizer_requests, without_tokenizer
from panope_backends.tasks.tokenizer_making import has_vocabulary
from panope_backends.texts import most_characters

_TRIAL_WAIT_SECONDS = 1.0

#: Where the server does not say.
_TEMPLATE_SECONDS = 2.0
#: Of a conversation, for a model whose positions are unknown.
_MOST_CHARACTERS = 8 << 20
#: Of a vocabulary whose size nobody tells.
_MOST_TOKENS = 1 << 31


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
    # After the model: an engine that has imported transformers by now saves a process.
    prepared = prepared_tokenizer(source.folder, source.cache_folder) if has_vocabulary(source.folder) else None
    encoder = None if prepared is None else TextEncoder(prepared)
    defaults = read_defaults(source.folder, config)
    model, check = token_model(loaded, encoder, defaults, settings, source.max_memory_bytes, source.variant_digest)
    trial(model)
    defaults = defaults.honoured_by(model.honoured)
    codec = loaded if encoder is None and isinstance(loaded, TextCodec) else None
    reader = encoder or codec
    tokens = None
    if reader is not None and "prompt_token_ids" in model.honoured:
        known = encoder.highest_id + 1 if encoder is not None else _MOST_TOKENS
        tokens = PromptTokens(reader, model.max_positions, model.vocab_size or known, model.max_source_length)
    chat = _chat_template(*_template_of(prepared, encoder, codec), model, settings)
    languages = prepared.languages if prepared is not None else {}
    forms = TextForms(bool(model.max_source_length), defaults, languages, task_settings(config))
    requests = GenerateRequests(model, defaults, check, tokens, chat, forms)
    others = (
        tokenizer_requests(encoder, model.max_source_length or model.max_positions)
        if encoder is not None
        else without_tokenizer()
    )
    facts = facts_of(model, loaded, defaults, chat, forms).SerializeToString()
    end = chat.close if chat is not None else lambda: None
    if encoder is not None and chat is not None:
        others = {**others, "tokenize": chat_tokenizer(encoder, chat, others["tokenize"])}
    return LoadedTask(model, config, {"generate": requests.prepare, **others}, facts=facts, end=end)


def _template_of(
    prepared: PreparedChatTokenizer | None, encoder: TextEncoder | None, codec: TextCodec | None
) -> tuple[Setup, dict[str, int]]:
    """The chat templates, of the model's files or of its engine, and the ids of special tokens where they are known."""
    if prepared is not None and encoder is not None:
        special = encoder.tokenizer.get_added_tokens_decoder()
        ids = {token.content: token_id for token_id, token in special.items() if token.special}
        return Setup(prepared.chat_templates, prepared.special_tokens), ids
    if codec is not None and codec.chat_template:
        return Setup({"default": codec.chat_template}, codec.special_texts), {}
    return Setup({}, {}), {}


def _chat_template(
    setup: Setup, special_ids: Mapping[str, int], model: TokenModel, settings: messages.GenerateSettings
) -> ChatTemplate | None:
    return chat_template(
        setup,
        special_ids,
        seconds=settings.template_seconds or _TEMPLATE_SECONDS,
        characters=most_characters(model.max_positions) if model.max_positions else _MOST_CHARACTERS,
    )


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
