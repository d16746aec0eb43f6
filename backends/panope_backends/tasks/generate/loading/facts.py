"""What the server is told of a loaded model."""

from __future__ import annotations

import json

from panope.worker.v1 import generate_pb2 as messages
from panope_backends.api import LoadedModel, StepModel, TokenModel
from panope_backends.tasks.generate.chat.chat_template import ChatTemplate
from panope_backends.tasks.generate.defaults import GenerationDefaults
from panope_backends.tasks.generate.text_to_text import TextForms

#: What the server decides by the model that a call names.
_NOT_OF_CALLS = frozenset({"adapter"})


def facts_of(
    model: TokenModel,
    loaded: LoadedModel,
    defaults: GenerationDefaults,
    chat: ChatTemplate | None,
    forms: TextForms,
    *,
    fills_in: bool,
) -> messages.GenerateFacts:
    """The message about a model.

    Args:
        model: that generates.
        loaded: as the backend loaded it, with a cache of its own perhaps.
        defaults: of its files.
        chat: its chat template; None without one.
        forms: what becomes of texts that its encoder reads.
        fills_in: whether it can be asked for what is between two texts.
    """
    cache = loaded.cache if isinstance(loaded, StepModel) else None
    blocks = loaded.blocks if isinstance(loaded, StepModel) else 0
    return messages.GenerateFacts(
        max_positions=model.max_positions,
        vocab_size=model.vocab_size,
        slots=model.slots,
        has_chat_template=chat is not None or "conversation" in model.honoured,
        template_kwargs=chat.facts.kwargs if chat is not None else (),
        has_tools=chat.facts.has_tools if chat is not None else "tools" in model.honoured,
        has_reasoning=chat is not None and chat.reasoning is not None,
        honoured=sorted(model.honoured - _NOT_OF_CALLS | ({"suffix"} if fills_in else set())),
        defaults_json=json.dumps(dict(defaults.values)).encode(),
        eos_token_ids=defaults.eos_token_ids,
        cache_precision=cache.precision if cache is not None else "",
        cache_tokens=blocks * cache.block_size if cache is not None else 0,
        max_source_length=model.max_source_length,
        languages=sorted(forms.languages or forms.target_codes),
        ignored_defaults=defaults.ignored,
    )
