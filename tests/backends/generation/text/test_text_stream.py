"""Stops end an answer where a search of the whole text would, however the text is split."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from generation_kinds.tokenizers import KINDS
from hypothesis import given, settings
from hypothesis import strategies as st

from panope_backends.api import FinishReason, GenerationRequest
from panope_backends.generation.text.stops import StopScanner
from panope_backends.generation.text.text_stream import TextDelta, TextStream
from panope_backends.generation.text.vocabulary import TokenVocabulary

VOCABULARY = TokenVocabulary(KINDS["byte_level"]())
EOS = VOCABULARY.tokenizer.token_to_id("</s>")


def stream(**fields: object) -> TextStream:
    request = GenerationRequest(1, prompt_token_ids=(0,), **fields)  # type: ignore[arg-type]  # fields by their names
    return TextStream(VOCABULARY, request, [EOS], [0])


def ids(text: str) -> list[int]:
    found: list[int] = VOCABULARY.tokenizer.encode(text).ids
    return found


def earliest(text: str, stops: list[str]) -> tuple[int, int] | None:
    """Begin and end of the stop that ends first, the longest of them, by looking everywhere."""
    found = [(at + len(stop), at) for stop in stops for at in range(len(text)) if text.startswith(stop, at)]
    end, begin = min(found, default=(0, -1))
    return None if begin < 0 else (begin, end)


@given(
    text=st.text("ab\N{SNOWMAN}", max_size=60),
    stops=st.lists(st.text("ab\N{SNOWMAN}", min_size=1, max_size=6), max_size=5),
    cuts=st.lists(st.integers(0, 60), max_size=8),
    include=st.booleans(),
)
@settings(max_examples=500)
def test_a_stop_is_found_where_a_search_of_the_whole_text_finds_it(
    text: str, stops: list[str], cuts: list[int], include: bool
) -> None:
    scanner = StopScanner(stops, include_stop=include)
    borders = sorted({0, *(cut for cut in cuts if cut < len(text)), len(text)})
    out, complete = "", ""
    for begin, end in pairwise(borders):
        complete += text[begin:end]
        out += scanner.push(text[begin:end])
        if scanner.found is not None:
            break
        held_back = complete[len(out) :]
        assert all(not stop.startswith(complete[at:]) for stop in stops for at in range(len(out)))
        assert not held_back or any(stop.startswith(held_back) for stop in stops), "nothing is held back in vain"
    expected = earliest(text, stops)
    if expected is None:
        assert scanner.found is None
        assert out + scanner.finish() == text
    else:
        begin, end = expected
        assert scanner.found == text[begin:end]
        assert out + scanner.finish() == text[: end if include else begin]


def test_a_thousand_stops_cost_no_more_than_one() -> None:
    stops = [f"{'a' * (number % 50)}b{number}" for number in range(1_000)]

    def seconds(texts: list[str], length: int) -> float:
        scanner = StopScanner(texts)
        begin = time.process_time()
        for _ in range(length):
            assert scanner.push("aaaa") or True
        return time.process_time() - begin

    seconds(stops, 10)
    one = seconds(["a" * 49 + "b0"], 20_000)
    assert seconds(stops, 20_000) < 4 * one + 0.05
    assert seconds(stops, 80_000) < 8 * seconds(stops, 20_000) + 0.05


def test_a_stop_across_tokens_ends_the_answer_and_what_follows_is_dropped() -> None:
    answer = stream(stop=("the end",))
    assert answer.push(ids("once the e")) == TextDelta("once ", len(ids("once the e")))
    last = answer.push(ids("nd of it"))
    assert last == TextDelta("", 2, FinishReason.STOP, "the end")


def test_a_stop_is_kept_when_it_is_to_be_included() -> None:
    assert stream(stop=("b",), include_stop=True).push(ids("abc")) == TextDelta("ab", 2, FinishReason.STOP, "b")


def test_what_was_held_back_comes_at_the_end() -> None:
    answer = stream(stop=("the end",))
    assert answer.push(ids("the e")).text + "|" + answer.finish() == "|the e"


def test_the_models_own_token_ends_an_answer_without_a_reason_or_a_text() -> None:
    answer = stream(stop=("xy",))
    assert answer.push([*ids("ax"), EOS, *ids("b")]) == TextDelta("ax", 3, FinishReason.STOP, None)


def test_the_models_own_token_may_be_ignored() -> None:
    assert stream(ignore_eos=True).push([*ids("a"), EOS, *ids("b")]) == TextDelta("ab", 3)


@pytest.mark.parametrize("include", [False, True])
def test_a_stop_token_ends_an_answer(include: bool) -> None:
    (stop,) = ids("c")
    answer = stream(stop_token_ids=(stop,), include_stop=include)
    expected = TextDelta("abc" if include else "ab", 3, FinishReason.STOP, stop)
    assert answer.push(ids("abcd")) == expected


def test_special_tokens_have_a_text_when_they_are_not_skipped() -> None:
    answer = stream(skip_special_tokens=False, include_stop=True)
    assert answer.push([0, *ids("a"), EOS]) == TextDelta("<s>a</s>", 3, FinishReason.STOP, None)


def test_nothing_stops_before_min_tokens() -> None:
    answer = stream(stop=("a", "bcd"), stop_token_ids=tuple(ids("b")), min_tokens=3)
    assert answer.push(ids("abc")) == TextDelta("a", 3)
    assert answer.push(ids("d")) == TextDelta("", 1, FinishReason.STOP, "bcd")


def test_an_answer_that_stops_within_a_character_says_so() -> None:
    partial = ids("é")[:1]
    assert stream().push([*partial, EOS]) == TextDelta("\ufffd", 2, FinishReason.STOP, None)
