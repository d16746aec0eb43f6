"""What is known of a model that reads texts with questions or masks."""

from __future__ import annotations

from dataclasses import dataclass

from panope.worker.v1 import text_pb2 as messages
from panope.worker.v1 import worker_pb2 as wire


@dataclass(frozen=True)
class TextSpec:
    """What such a model takes.

    Attributes:
        max_tokens: that it reads at once, special tokens included.
        mask_token: that stands in texts for what it fills in; empty where it fills in nothing.
        batching: as of an `embed` model.
    """

    max_tokens: int
    mask_token: str
    batching: str


def text_spec_of(ready: wire.Ready) -> TextSpec:
    """What a worker tells of such a model."""
    facts = messages.TextFacts.FromString(ready.facts)
    return TextSpec(facts.max_tokens, facts.mask_token, ready.batching)
