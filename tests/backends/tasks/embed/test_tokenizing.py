"""Texts are measured in characters before tokens are made of them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from panope_backends.errors import InvalidInputError
from panope_backends.tasks.embed.tokenizers.tokenizing import tokenize
from panope_backends.texts import CHARACTERS_PER_TOKEN, TOKENIZE_CHARACTERS, check_characters, check_tokenize

LIMIT = 16
MOST = LIMIT * CHARACTERS_PER_TOKEN


class Words:
    """A tokenizer of words, each its length, that remembers what it was given."""

    def __init__(self) -> None:
        self.characters: list[int] = []

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        self.characters.append(sum(map(len, texts)))
        return [[len(word) for word in text.split()] for text in texts]


def ids(texts: Sequence[str], truncation: str, words: Words | None = None, prompt: str = "") -> list[list[int]]:
    return tokenize(words or Words(), texts, prompt, max_tokens=LIMIT, truncation=truncation)


def test_a_text_too_long_for_any_tokens_is_refused_by_name_and_never_tokenised() -> None:
    words = Words()
    with pytest.raises(InvalidInputError) as refusal:
        ids(["a", "b" * (MOST + 1)], "refuse", words)
    assert refusal.value.field == "texts[1]"
    assert refusal.value.message == ("`texts[1]` has 1,025 characters; with at most 16 tokens the model takes 1,024")
    assert words.characters == []


def test_a_text_of_as_many_characters_as_it_may_have_is_tokenised() -> None:
    assert ids(["b" * MOST], "refuse") == [[MOST]]


@pytest.mark.parametrize("truncation", ["end", "start"])
def test_of_a_long_text_that_may_be_cut_the_kept_side_is_tokenised_alone(truncation: str) -> None:
    words = Words()
    text = "one three " * 100_000
    (found,) = ids([text], truncation, words)
    assert words.characters == [MOST]
    kept = slice(None, LIMIT) if truncation == "end" else slice(-LIMIT, None)
    assert found[kept] == [3, 5] * (LIMIT // 2)


@pytest.mark.parametrize("truncation", ["end", "start"])
def test_a_long_text_whose_kept_side_does_not_fill_the_model_is_refused(truncation: str) -> None:
    with pytest.raises(InvalidInputError, match=r"`texts\[0\]` has 1,000,000 characters"):
        ids([" " * 1_000_000], truncation)


def test_the_first_text_with_too_many_tokens_ends_the_work() -> None:
    words = Words()
    long = "ab " * (MOST // 3)
    with pytest.raises(InvalidInputError, match=r"`texts\[0\]` has 341 tokens; the model takes at most 16"):
        ids([long] * 10_000, "refuse", words)
    assert sum(words.characters) < 300_000


def test_texts_keep_their_order_and_their_prompt_over_many_parts() -> None:
    texts = [f"{'x' * (index % 7 + 1)} {'y' * 1000}" for index in range(1000)]
    expected = [[2, index % 7 + 1, 1000] for index in range(1000)]
    words = Words()
    assert ids(texts, "refuse", words, prompt="q: ") == expected
    assert len(words.characters) > 3


def test_calls_for_tokens_have_a_limit_of_each_text_and_one_of_all() -> None:
    check_tokenize(["a" * MOST] * 8, LIMIT)
    with pytest.raises(InvalidInputError, match=r"`texts\[1\]` has 1,025 characters"):
        check_tokenize(["a", "a" * (MOST + 1)], LIMIT)
    texts = ["a" * 1000] * (TOKENIZE_CHARACTERS // 1000 + 1)
    with pytest.raises(InvalidInputError, match=r"`texts` has 1,049,000 characters in all") as refusal:
        check_tokenize(texts, 0)
    assert refusal.value.field == "texts"
    check_characters(texts, LIMIT)
