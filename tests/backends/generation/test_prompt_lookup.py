"""Drafts are what followed the last tokens before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from panope_backends.generation.prompt_lookup import draft


def by_looking_everywhere(tokens: list[int], max_ngram: int, count: int) -> list[int]:
    for length in range(min(max_ngram, len(tokens) - 1), 0, -1):
        last = tokens[-length:]
        ends = [end for end in range(length, len(tokens)) if tokens[end - length : end] == last]
        if ends:
            full = [end for end in ends if end + count <= len(tokens)]
            begin = full[-1] if full else ends[0]
            return tokens[begin : begin + count]
    return []


@given(st.lists(st.integers(0, 3), max_size=40), st.integers(1, 5), st.integers(1, 8))
def test_a_draft_is_what_a_search_everywhere_finds(tokens: list[int], max_ngram: int, count: int) -> None:
    assert draft(tokens, max_ngram, count) == by_looking_everywhere(tokens, max_ngram, count)


def test_a_repeated_phrase_is_continued() -> None:
    assert draft([1, 2, 3, 4, 5, 9, 2, 3], max_ngram=3, count=2) == [4, 5]


def test_the_longest_match_counts_before_a_later_one() -> None:
    assert draft([1, 2, 7, 7, 5, 2, 8, 8, 1, 2], max_ngram=3, count=2) == [7, 7]


def test_there_is_no_draft_of_what_never_came() -> None:
    assert draft([1, 2, 3], max_ngram=3, count=4) == []
    assert draft([], max_ngram=3, count=4) == []
    assert draft([1, 2, 1], max_ngram=3, count=4, min_ngram=2) == []
