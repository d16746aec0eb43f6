"""Whether images of a model are read, which is tried before it is called ready."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from panope_backends.api import ImageTextModel, LoadedModel
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.tasks.generate.images.processor import load_processor
from panope_backends.tasks.generate.images.prompt_images import PromptImages
from panope_backends.tasks.generate.tokenizer.prepared import PreparedChatTokenizer
from panope_backends.tasks.generate.tokenizer.text_encoder import TextEncoder
from panope_backends.tasks.task import ModelSource

_log = logging.getLogger(__name__)


def images_of(
    source: ModelSource,
    config: Mapping[str, Any],
    loaded: LoadedModel,
    prepared: PreparedChatTokenizer | None,
    encoder: TextEncoder | None,
) -> tuple[PromptImages | None, str]:
    """What makes prompts with images for a model, and where there is none, why: the model then answers texts.

    Args:
        source: of the model.
        config: of the model.
        loaded: without a cache yet.
        prepared: its tokenizer.
        encoder: made of that.
    """
    if not isinstance(config.get("vision_config"), Mapping):
        return None, ""
    if not isinstance(loaded, ImageTextModel) or prepared is None or encoder is None:
        return None, "images of this model are not read by this backend"
    if find_spec("PIL") is None:
        return None, "images are not read: `pillow` is not installed: pip install 'panope-serving[image]'"
    try:
        made = PromptImages(
            load_processor(source.folder, config),
            encoder,
            source.media_limits,
            prepared.special_tokens.get("bos_token", ""),
            loaded.max_positions,
        )
        loaded.prove(*made.trial())
    except (PreconditionError, InvalidInputError) as error:
        _log.warning("images of the model are not read; texts are answered", exc_info=error)
        return None, str(error)
    return made, ""
