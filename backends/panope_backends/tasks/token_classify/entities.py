"""Entities of tokens with scores: the same as transformers' pipeline for token classification finds.

none      each token by itself
simple    tokens of one label that follow each other, joined; `B-` starts another
first     before that, each word has the label of its first token
average   or of the mean of its tokens' scores
max       or of its token with the highest score
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

AGGREGATIONS = ("none", "simple", "first", "average", "max")

Scores = NDArray[np.float32]

Spell = Callable[[Sequence[str]], str]
"""The text that tokens spell."""


@dataclass(slots=True)
class Token:
    """A token that is no special one.

    Attributes:
        word: as the vocabulary has it.
        scores: of each label.
        start: where it starts in the text, in code points.
        end: where it ends (exclusive).
        index: its position among the text's tokens.
        is_subword: whether it continues the word before it.
    """

    word: str
    scores: Scores
    start: int
    end: int
    index: int
    is_subword: bool


@dataclass(slots=True)
class Entity:
    """What was found.

    Attributes:
        index: of a token by itself; None for joined ones.
    """

    label: str
    score: float
    word: str
    start: int
    end: int
    index: int | None = None


def entities_of(tokens: Sequence[Token], aggregation: str, labels: Sequence[str], spell: Spell) -> list[Entity]:
    """The entities of a text, in its order.

    Args:
        tokens: of the text.
        aggregation: one of `AGGREGATIONS`.
        labels: by their ids.
        spell: joins tokens.
    """
    if aggregation in ("none", "simple"):
        found = [_entity(token.scores, labels, [token], token.word) for token in tokens]
    else:
        found = [
            _entity(_word_scores(word, aggregation), labels, word, spell([token.word for token in word]))
            for word in _words(tokens)
        ]
    return found if aggregation == "none" else _grouped(found, spell)


def without_overlaps(entities: Sequence[Entity]) -> list[Entity]:
    """Of entities that overlap, as pieces of one text give them, the longer, or else the surer."""
    kept: list[Entity] = []
    for entity in sorted(entities, key=lambda found: found.start):
        if not kept or not kept[-1].start <= entity.start < kept[-1].end:
            kept.append(entity)
        elif (entity.end - entity.start, entity.score) > (kept[-1].end - kept[-1].start, kept[-1].score):
            kept[-1] = entity
    return kept


def _entity(scores: Scores, labels: Sequence[str], tokens: Sequence[Token], word: str) -> Entity:
    best = int(scores.argmax())
    index = tokens[0].index if len(tokens) == 1 else None
    return Entity(labels[best], float(scores[best]), word, tokens[0].start, tokens[-1].end, index)


def _words(tokens: Sequence[Token]) -> list[list[Token]]:
    words: list[list[Token]] = []
    for token in tokens:
        if token.is_subword and words:
            words[-1].append(token)
        else:
            words.append([token])
    return words


def _word_scores(word: Sequence[Token], aggregation: str) -> Scores:
    if aggregation == "first":
        return word[0].scores
    if aggregation == "max":
        return max(word, key=lambda token: float(token.scores.max())).scores
    mean: Scores = np.mean([token.scores for token in word], axis=0, dtype=np.float32)
    return mean


def _grouped(found: Sequence[Entity], spell: Spell) -> list[Entity]:
    groups: list[list[Entity]] = [[found[0]]] if found else []
    for before, entity in pairwise(found):
        kind, name = _tag(entity.label)
        if name == _tag(before.label)[1] and kind != "B":
            groups[-1].append(entity)
        else:
            groups.append([entity])
    return [_group_entity(group, spell) for group in groups]


def _group_entity(group: Sequence[Entity], spell: Spell) -> Entity:
    label = group[0].label.split("-", 1)[-1]
    score = float(np.mean([entity.score for entity in group], dtype=np.float64))
    return Entity(label, score, spell([entity.word for entity in group]), group[0].start, group[-1].end)


def _tag(label: str) -> tuple[str, str]:
    """`B` or `I`, and the name; a label without either continues what is before it."""
    kind, name = label[:2], label[2:]
    return (kind[0], name) if kind in ("B-", "I-") else ("I", label)
