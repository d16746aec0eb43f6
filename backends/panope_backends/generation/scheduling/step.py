"""One step: which tokens of which sequences it computes, and which rows of logits it gives."""

from __future__ import annotations

from collections.abc import Sequence as Items
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np

from panope_backends.api import StepBatch
from panope_backends.generation.scheduling.sequence import Sequence


@dataclass(slots=True)
class StepPart:
    """One sequence's part of a step.

    Attributes:
        begin: the first token that it computes, by position.
        end: behind the last.
        scored: how many rows tell log-probabilities of the prompt, from the position `request.scored` on.
        samples: whether the last token's row tells what comes next.
        drafts: guesses of the tokens behind `end`, whose rows tell what comes after each.
        accepted: how many of them turned out right.
    """

    sequence: Sequence
    begin: int
    end: int
    scored: int = 0
    samples: bool = False
    drafts: Items[int] = ()
    accepted: int = 0

    @property
    def length(self) -> int:
        """Tokens that it computes."""
        return self.end - self.begin + len(self.drafts)

    @property
    def rows(self) -> int:
        """Rows of logits that it gives."""
        return self.scored + self.samples + len(self.drafts)


def batch_of(parts: Items[StepPart], block_size: int) -> StepBatch:
    """The batch of some parts; rows of logits come in their order: of each scored ones first, those of drafts last."""
    tokens: list[int] = []
    sampled: list[int] = []
    token_begins = [0]
    for part in parts:
        tokens += part.sequence.tokens[part.begin : part.end]
        tokens += part.drafts
        if part.scored:
            first = token_begins[-1] + part.sequence.request.scored - part.begin
            sampled += range(first, first + part.scored)
        if part.samples:
            sampled += range(len(tokens) - 1 - len(part.drafts), len(tokens))
        token_begins.append(len(tokens))
    counts = [-(-(part.begin + part.length) // block_size) for part in parts]
    tables = [part.sequence.table.first(count) for part, count in zip(parts, counts, strict=True)]
    return StepBatch(
        tokens=np.array(tokens, np.int64),
        token_begins=np.array(token_begins, np.int32),
        past_lengths=np.array([part.begin for part in parts], np.int32),
        block_tables=np.concatenate(tables),
        block_begins=np.array(list(accumulate(counts, initial=0)), np.int32),
        sampled=np.array(sampled, np.int64),
        sources=_sources(parts),
        adapters=_adapters(parts),
        image_prompts=_image_prompts(parts),
    )


def _adapters(parts: Items[StepPart]) -> np.ndarray[Any, Any] | None:
    """The adapters of the sequences, by number; None where no sequence has one."""
    adapters = [part.sequence.request.adapter for part in parts]
    return np.array(adapters, np.int32) if any(adapters) else None


def _image_prompts(parts: Items[StepPart]) -> np.ndarray[Any, Any] | None:
    """The numbers of prompts with images, -1 for those without; None where no sequence has any."""
    numbers = [part.sequence.request.image_prompt for part in parts]
    if not any(number is not None for number in numbers):
        return None
    return np.array([-1 if number is None else number for number in numbers], np.int32)


def _sources(parts: Items[StepPart]) -> np.ndarray[Any, Any] | None:
    """The sources of an encoder-decoder's sequences; at any other model none has one."""
    sources = [part.sequence.request.source for part in parts]
    return None if None in sources else np.array(sources, np.int32)
