"""The section `[generation]`: how models generate."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from panope_server.config.sections.values import ByteSize
from panope_server.config.sizes import parse_size


class Generation(Struct, frozen=True, forbid_unknown_fields=True):
    """How models generate, each in its worker."""

    slots: Annotated[
        int,
        Meta(ge=1, le=1024, description="Sequences that one instance generates at once; the rest wait in the queue."),
    ] = 32
    step_tokens: Annotated[
        int,
        Meta(
            ge=1,
            le=1 << 20,
            description="Tokens that one step computes while sequences wait for their next token; longer prompts are "
            "computed in several steps.",
        ),
    ] = 512
    max_step_tokens: Annotated[
        int,
        Meta(
            ge=1,
            le=1 << 20,
            description="Tokens that one step computes at most, while none waits for its next token; not less than "
            "`step_tokens`.",
        ),
    ] = 2048
    cache_bytes: Annotated[
        ByteSize,
        Meta(
            description="Memory of one instance's cache of keys and values, as a number or such as `4GiB`; 0 for what "
            "all slots can use, as far as the memory of its worker goes."
        ),
    ] = 0
    cache_precision: Annotated[
        str, Meta(description="The precision of the cache, such as `u8`; empty lets the backend choose.")
    ] = ""
    prefix_cache: Annotated[
        bool, Meta(description="Whether prompts that begin alike share what is computed of them.")
    ] = True
    draft_tokens: Annotated[
        int,
        Meta(
            ge=0,
            le=16,
            description="Tokens that are guessed from the prompt and the answer so far, and computed with each next "
            "one; the answers are the same. It pays where answers repeat what was before.",
        ),
    ] = 0
    max_adapters: Annotated[
        int,
        Meta(
            ge=0,
            le=64,
            description="LoRA adapters that run beside their base in one instance, where its backend can; others have "
            "instances of their own.",
        ),
    ] = 8
    max_adapter_rank: Annotated[
        int, Meta(ge=1, le=4096, description="The rank of an adapter that runs beside its base, at most.")
    ] = 64
    stream_interval: Annotated[
        int,
        Meta(
            ge=1,
            le=1024,
            description="Tokens of an answer that come in one message of a stream; the first comes at once. More cost "
            "the server less for each token, and let readers wait longer between two messages.",
        ),
    ] = 1
    template_seconds: Annotated[
        float, Meta(gt=0, le=60, description="Processor seconds for which a chat template may render a conversation.")
    ] = 2.0

    def __post_init__(self) -> None:
        parse_size(self.cache_bytes, "cache_bytes")

    @property
    def cache_size(self) -> int:
        """`cache_bytes` as a number."""
        return parse_size(self.cache_bytes, "cache_bytes")
