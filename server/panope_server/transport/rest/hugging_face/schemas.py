"""Hugging Face's bodies."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Raw, Struct

from panope_server.transport.rest.embedding.options import EmbedOptions


class CallOptions(Struct, forbid_unknown_fields=True):
    """What the Inference API's clients say of the call.

    Attributes:
        wait_for_model: Whether to wait while the model is downloaded, instead of being told to come back.
        use_cache: Whether a kept answer may be given, and this one be kept; `false` is as the header
            `cache-control: no-store`.
    """

    wait_for_model: bool | None = None
    use_cache: bool | None = None


class EmbedBody(EmbedOptions, forbid_unknown_fields=True, kw_only=True):
    """POST /v1/embed: what InferenceClient.feature_extraction sends, and `model`.

    Attributes:
        inputs: A text, texts, token ids, lists of token ids, or images.
        model: Absent for the model of the path, or for the default model.
        parameters: More of the options, as the Inference API has them.
        options: How to treat the call.
    """

    inputs: Raw
    model: Annotated[str, Meta(min_length=1)] | None = None
    parameters: EmbedOptions | None = None
    options: CallOptions | None = None
