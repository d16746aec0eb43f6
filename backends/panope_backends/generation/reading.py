"""What a step's logits say: the next token of each sequence, and the log-probabilities of prompts."""

from __future__ import annotations

from collections.abc import Sequence as Items
from dataclasses import dataclass, field

import numpy as np

from panope_backends.api import TokenLogprobs
from panope_backends.generation.decoding import Array, Decoding
from panope_backends.generation.sampling.sampler import SampledToken
from panope_backends.generation.scheduling.sequence import Sequence
from panope_backends.generation.scheduling.step import StepPart


@dataclass(slots=True)
class Reading:
    """What the rows of a step said.

    Attributes:
        drawn: the next token of each sequence that the step sampled; of all answers of a request at its first.
        scores: log-probabilities of prompts, with the parts that computed them.
        drafted: parts with guesses, and the rows of these.
        broken: parts whose rows for log-probabilities are no numbers.
    """

    drawn: list[tuple[Sequence, SampledToken]] = field(default_factory=list)
    scores: list[tuple[StepPart, Items[TokenLogprobs]]] = field(default_factory=list)
    drafted: list[tuple[StepPart, Array]] = field(default_factory=list)
    broken: list[StepPart] = field(default_factory=list)


def read(decoding: Decoding, parts: Items[StepPart], logits: Array) -> Reading:
    """Reads the rows of a step, those of guesses excepted."""
    reading = Reading()
    sequences: list[Sequence] = []
    rows: list[Array] = []
    end = 0
    for part in parts:
        begin, end = end, end + part.rows
        if part.scored:
            scored = logits[begin : begin + part.scored]
            if not np.isfinite(scored.max(axis=1)).all():  # the largest of a row is no number where any is none
                reading.broken.append(part)
                continue
            reading.scores.append((part, _scores(decoding, part, scored)))
        if part.samples:
            drawing = part.sequence.request.drawing(part.sequence)
            sequences += drawing
            first_draft = end - len(part.drafts)
            rows += [logits[first_draft - 1]] * len(drawing)
            if part.drafts:
                reading.drafted.append((part, logits[first_draft:end]))
    tokens = decoding.sample(rows, [sequence.state for sequence in sequences])
    reading.drawn = list(zip(sequences, tokens, strict=True))
    return reading


def _scores(decoding: Decoding, part: StepPart, logits: Array) -> Items[TokenLogprobs]:
    """The log-probabilities of the tokens that follow those of some rows."""
    request = part.sequence.request
    first = request.scored + 1
    top = request.given.prompt_logprobs or 0
    return decoding.score(logits, request.given.prompt_token_ids[first : first + part.scored], top)
