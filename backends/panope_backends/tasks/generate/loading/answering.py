"""What answers for a model that generates, and for each adapter beside it: its tokenizer, chat and defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from msgspec.structs import replace as replace_fields

from panope.worker.v1 import generate_pb2 as messages
from panope_backends.api import LoadedModel, TextCodec, TokenModel
from panope_backends.tasks.generate.chat.chat_template import ChatTemplate, chat_template
from panope_backends.tasks.generate.chat.chat_tokenizer import chat_tokenizer
from panope_backends.tasks.generate.chat.conversations import Seen
from panope_backends.tasks.generate.chat.render import Setup
from panope_backends.tasks.generate.defaults import GenerationDefaults
from panope_backends.tasks.generate.fill_in import fill_in_of
from panope_backends.tasks.generate.images.prompt_images import PromptImages
from panope_backends.tasks.generate.loading.facts import facts_of
from panope_backends.tasks.generate.prompt_tokens import PromptTokens
from panope_backends.tasks.generate.requests import Check, GenerateRequests
from panope_backends.tasks.generate.text_to_text import TextForms, task_settings
from panope_backends.tasks.generate.tokenizer.prepared import PreparedChatTokenizer
from panope_backends.tasks.generate.tokenizer.text_encoder import TextEncoder
from panope_backends.tasks.task import Prepare
from panope_backends.tasks.tokenize.requests import tokenizer_requests, without_tokenizer
from panope_backends.texts import most_characters

#: Where the server does not say.
_TEMPLATE_SECONDS = 2.0
#: Of a conversation, for a model whose positions are unknown.
_MOST_CHARACTERS = 8 << 20
#: Of a vocabulary whose size nobody tells.
_MOST_TOKENS = 1 << 31


@dataclass(frozen=True)
class Answers:
    """What makes jobs of requests, by the name of their task, what the server is told, and how it ends."""

    requests: Mapping[str, Prepare]
    facts: bytes
    end: Callable[[], None]


@dataclass(frozen=True)
class Answering:
    """One loaded model, for whatever files stand before it.

    Attributes:
        model: that generates.
        loaded: as the backend loaded it, perhaps the same.
        check: refuses what the model cannot honour.
        settings: of the server.
        config: of the model.
        images: makes prompts with images; None for a model that sees none.
        no_images: why it sees none.
    """

    model: TokenModel
    loaded: LoadedModel
    check: Check
    settings: messages.GenerateSettings
    config: Mapping[str, Any]
    images: PromptImages | None = None
    no_images: str = ""

    def of(
        self,
        prepared: PreparedChatTokenizer | None,
        encoder: TextEncoder | None,
        defaults: GenerationDefaults,
        adapter: str = "",
    ) -> Answers:
        """What answers with these files.

        Args:
            prepared: the tokenizer, with its chat templates; None for a model without.
            encoder: made of it.
            defaults: those that the model honours.
            adapter: that requests are run with, by its digest; empty for none.
        """
        model = self.model
        codec = self.loaded if encoder is None and isinstance(self.loaded, TextCodec) else None
        setup, special_ids = _template_of(prepared, encoder, codec)
        if self.images is not None and self.images.processor.chat_templates:
            setup = replace_fields(setup, templates=dict(self.images.processor.chat_templates))
        chat = self._chat_template(setup, special_ids)
        if chat is not None:
            chat.seen = self._seen()
        forms = TextForms(bool(model.max_source_length), defaults, tasks=task_settings(self.config))
        if prepared is not None:
            told = {name: getattr(prepared, name) for name in ("languages", "target_codes", "language_pair")}
            forms = replace(forms, **told)
        tokens = self._prompt_tokens(encoder, codec)
        requests = GenerateRequests(
            *(model, defaults, self.check, tokens, chat, forms, adapter, self.images),
            stream_interval=self.settings.stream_interval or 1,
        )
        others = (
            tokenizer_requests(encoder, model.max_source_length or model.max_positions)
            if encoder is not None
            else without_tokenizer()
        )
        if encoder is not None and chat is not None:
            others = {**others, "tokenize": chat_tokenizer(encoder, chat, others["tokenize"])}
        fills_in = tokens is not None and tokens.fills_in
        facts = facts_of(model, self.loaded, defaults, chat, forms, fills_in=fills_in).SerializeToString()
        end = chat.close if chat is not None else lambda: None
        return Answers({"generate": requests.prepare, **others}, facts, end)

    def _seen(self) -> Seen:
        if self.images is not None:
            return Seen(self.images.placeholder)
        return Seen(refusal=self.no_images) if self.no_images else Seen()

    def _prompt_tokens(self, encoder: TextEncoder | None, codec: TextCodec | None) -> PromptTokens | None:
        model, reader = self.model, encoder or codec
        if reader is None or "prompt_token_ids" not in model.honoured:
            return None
        known = encoder.highest_id + 1 if encoder is not None else _MOST_TOKENS
        fill_in = None if encoder is None or model.max_source_length else fill_in_of(encoder)
        size = model.vocab_size or known
        token_bytes = None if encoder is None else encoder.token_bytes
        return PromptTokens(reader, model.max_positions, size, model.max_source_length, fill_in, token_bytes)

    def _chat_template(self, setup: Setup, special_ids: Mapping[str, int]) -> ChatTemplate | None:
        positions = self.model.max_positions
        return chat_template(
            setup,
            special_ids,
            seconds=self.settings.template_seconds or _TEMPLATE_SECONDS,
            characters=most_characters(positions) if positions else _MOST_CHARACTERS,
        )


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
