"""How tokens become entities, by hand: transformers' own results are compared with in the zoo."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from panope_backends.tasks.token_classify.entities import Entity, Token, entities_of, without_overlaps

LABELS = ("O", "B-PER", "I-PER", "LOC")


def spell(words: Sequence[str]) -> str:
    return " ".join(words).replace(" ##", "")


def token(word: str, label: int, start: int, *, score: float = 0.75) -> Token:
    scores = np.full(len(LABELS), (1 - score) / 3, np.float32)
    scores[label] = score
    return Token(word, scores, start, start + len(word.removeprefix("##")), start, word.startswith("##"))


ADA = [
    token("Ada", 1, 0),
    token("Love", 2, 4),
    token("##lace", 3, 8, score=0.875),
    token("in", 0, 13),
    token("London", 3, 16),
]


def told(entities: Sequence[Entity]) -> list[tuple[str, str, int, int]]:
    return [(entity.label, entity.word, entity.start, entity.end) for entity in entities]


def test_each_token_by_itself_keeps_its_label_and_its_place() -> None:
    found = entities_of(ADA, "none", LABELS, spell)
    assert told(found)[:3] == [("B-PER", "Ada", 0, 3), ("I-PER", "Love", 4, 8), ("LOC", "##lace", 8, 12)]
    assert [entity.index for entity in found] == [0, 4, 8, 13, 16]


@pytest.mark.parametrize(
    ("aggregation", "expected"),
    [
        ("simple", [("PER", "Ada Love", 0, 8), ("LOC", "##lace", 8, 12)]),
        ("first", [("PER", "Ada Lovelace", 0, 12)]),
        ("average", [("PER", "Ada", 0, 3), ("LOC", "Lovelace", 4, 12)]),
        ("max", [("PER", "Ada", 0, 3), ("LOC", "Lovelace", 4, 12)]),
    ],
)
def test_tokens_of_one_kind_are_joined(aggregation: str, expected: list[tuple[str, str, int, int]]) -> None:
    found = entities_of(ADA, aggregation, LABELS, spell)
    assert told(found) == [*expected, ("O", "in", 13, 15), ("LOC", "London", 16, 22)]
    assert all(entity.index is None for entity in found)


def test_a_label_that_begins_starts_another_entity_of_the_same_kind() -> None:
    found = entities_of([token("Ada", 1, 0), token("Bob", 1, 4)], "simple", LABELS, spell)
    assert told(found) == [("PER", "Ada", 0, 3), ("PER", "Bob", 4, 7)]


def test_a_joined_score_is_the_mean() -> None:
    (found,) = entities_of([token("Ada", 1, 0, score=0.5), token("L", 2, 4, score=1.0)], "simple", LABELS, spell)
    assert found.score == pytest.approx(0.75)


@pytest.mark.parametrize("aggregation", ["none", "simple", "first", "average", "max"])
def test_no_tokens_are_no_entities(aggregation: str) -> None:
    assert entities_of([], aggregation, LABELS, spell) == []


def test_of_entities_that_overlap_the_longer_counts_and_then_the_surer() -> None:
    short, long, sure = Entity("A", 0.9, "a", 0, 2), Entity("B", 0.5, "b", 1, 5), Entity("C", 0.8, "c", 1, 5)
    apart = Entity("D", 0.1, "d", 5, 6)
    assert without_overlaps([short, long, sure, apart]) == [sure, apart]
    assert without_overlaps([]) == []
