"""The section `[workers]`: the processes that run models."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from panope_server.config.sections.values import ByteSize
from panope_server.config.sizes import parse_size


class Workers(Struct, frozen=True, forbid_unknown_fields=True):
    """The worker processes, one for each model instance."""

    instances: Annotated[int, Meta(ge=1, le=64, description="Instances of each model.")] = 1
    high_priority_instances: Annotated[
        int,
        Meta(
            ge=0,
            le=64,
            description="Further instances of each model, which run calls of high priority alone, so that these never "
            "wait for a batch of others. The threads of the others give way to theirs on the processor. Each has its "
            "own memory.",
        ),
    ] = 0
    max_batch_tokens: Annotated[int, Meta(ge=1, description="Tokens, padding included, that run as one batch.")] = 16384
    max_batch_size: Annotated[int, Meta(ge=1, description="Items that run as one batch.")] = 32
    max_batch_bytes: Annotated[
        ByteSize,
        Meta(
            description="Memory that one batch may take while it runs, estimated from the model's configuration, as a "
            "number or such as `2GiB`; 0 for any. Batches are cut to it; a call of tensors past it is refused."
        ),
    ] = "2GiB"
    max_memory_bytes: Annotated[
        ByteSize,
        Meta(
            description="Memory that one worker may allocate (Linux), as a number or such as `8GiB`; 0 for what its "
            "model needs and a quarter of the machine's. Past it calls fail, and the worker lives on."
        ),
    ] = 0
    batch_wait_ms: Annotated[
        float, Meta(ge=0, le=1000, description="How long an idle device waits for a fuller batch.")
    ] = 0.0
    target_batch_ms: Annotated[
        float,
        Meta(
            ge=0,
            le=10_000,
            description="How long one batch should take at most, as measured, while one call has more items waiting "
            "than a batch holds, so that the next caller's item soon has its turn; 0 for any time.",
        ),
    ] = 20.0
    max_in_flight_items: Annotated[
        int,
        Meta(ge=1, description="Items that one instance holds at a time; the rest wait in the server's queue."),
    ] = 512
    max_in_flight_bytes: Annotated[
        int, Meta(ge=1, description="Bytes of texts and tensors that one instance holds at a time.")
    ] = 64 << 20
    start_timeout_seconds: Annotated[float, Meta(gt=0, description="The time to load a model.")] = 300.0
    hang_timeout_seconds: Annotated[
        float,
        Meta(
            gt=0,
            description="A worker whose one batch runs longer, or that makes tokens of one request for longer, is "
            "killed and started again.",
        ),
    ] = 120.0
    heartbeat_timeout_seconds: Annotated[
        float,
        Meta(
            ge=2,
            description="A worker that says nothing for so long, though it should every second, is killed and started "
            "again.",
        ),
    ] = 30.0
    breaker_failure_ratio: Annotated[
        float,
        Meta(
            gt=0,
            le=1,
            description="The part of the requests to an instance that must fail, by no fault of their callers, until "
            "it gets none for a while.",
        ),
    ] = 0.5
    breaker_min_requests: Annotated[
        int, Meta(ge=1, le=512, description="Of at least so many requests, for `breaker_failure_ratio`.")
    ] = 20
    breaker_window_seconds: Annotated[
        float, Meta(gt=0, description="Within this time, for `breaker_failure_ratio`.")
    ] = 30.0
    drain_timeout_seconds: Annotated[
        float,
        Meta(
            gt=0,
            description="The time for running work to end when a model is unloaded; at most 20 when the server stops.",
        ),
    ] = 30.0
    python: Annotated[str, Meta(description="The Python interpreter of workers; empty for the server's own.")] = ""

    def __post_init__(self) -> None:
        parse_size(self.max_batch_bytes, "max_batch_bytes")
        parse_size(self.max_memory_bytes, "max_memory_bytes")

    def instances_of(self, asked: int) -> int:
        """How many instances a model has that is loaded with so many for any calls; 0 for the setting's number."""
        return (asked or self.instances) + self.high_priority_instances

    @property
    def memory_bytes(self) -> int:
        """`max_memory_bytes` as a number."""
        return parse_size(self.max_memory_bytes, "max_memory_bytes")

    @property
    def batch_bytes(self) -> int:
        """`max_batch_bytes` as a number."""
        return parse_size(self.max_batch_bytes, "max_batch_bytes")
