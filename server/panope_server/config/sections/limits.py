"""The section `[limits]`: what one request may ask."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from panope_server.config.sections.media import MediaLimits


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """What one request may ask, and how much may wait."""

    max_items: Annotated[int, Meta(ge=1, description="Items (texts, token sequences) in one request.")] = 2048
    max_text_bytes: Annotated[int, Meta(ge=1, description="UTF-8 bytes of one text.")] = 1 << 20
    max_prompt_bytes: Annotated[int, Meta(ge=1, description="UTF-8 bytes of one prompt to a model that generates.")] = (
        8 << 20
    )
    max_message_bytes: Annotated[
        int, Meta(ge=1 << 16, description="Bytes of one request, gRPC message or HTTP body.")
    ] = 16 << 20
    max_queue_items: Annotated[
        int, Meta(ge=1, description="Items that may wait for one model; past it calls fail with RESOURCE_EXHAUSTED.")
    ] = 8192
    max_queue_bytes: Annotated[
        int, Meta(ge=1, description="Bytes of texts and tensors that may wait for one model.")
    ] = 256 << 20
    max_queue_work: Annotated[
        int,
        Meta(
            ge=1,
            description="Units of work that may wait for one model: about one for each token of texts, and for each "
            "token that answers may have.",
        ),
    ] = 1 << 26
    max_model_calls: Annotated[
        int,
        Meta(ge=0, description="Calls of one model that run or wait at a time; 0 for as many as its queue takes."),
    ] = 0
    max_caller_calls: Annotated[
        int,
        Meta(
            ge=0,
            description="Calls of one API key, or address without one, that run or wait at a time; 0 for any number.",
        ),
    ] = 0
    default_timeout_seconds: Annotated[
        float,
        Meta(
            gt=0,
            description="The time without a part of its answer after which a call ends whose caller set no deadline.",
        ),
    ] = 60.0
    generation_timeout_seconds: Annotated[
        float,
        Meta(
            gt=0,
            description="As `default_timeout_seconds`, for calls that generate: the time of a whole answer where it is "
            "not streamed.",
        ),
    ] = 600.0
    media: MediaLimits = MediaLimits()
