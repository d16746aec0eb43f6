"""Pieces of a text join to the text that the tokenizer decodes at once, and no character is split."""

from __future__ import annotations

import time
from functools import cache

import pytest
from generation_kinds.tokenizers import KINDS
from hypothesis import given, settings
from hypothesis import strategies as st

from panope_backends.generation.text.detokenizer import detokenizer
from panope_backends.generation.text.vocabulary import TokenVocabulary


@cache
def vocabulary(kind: str) -> TokenVocabulary:
    return TokenVocabulary(KINDS[kind]())


def pieces(kind: str, prompt: list[int], answer: list[int], *, skips: bool = True) -> list[str]:
    stream = detokenizer(vocabulary(kind), prompt, skip_special_tokens=skips)
    return [*(stream.push(token_id) for token_id in answer), stream.finish()]


def decoded(kind: str, ids: list[int], *, skips: bool = True) -> str:
    return vocabulary(kind).tokenizer.decode(ids, skip_special_tokens=skips)


@pytest.mark.parametrize("kind", KINDS)
@given(
    text=st.text(st.characters(codec="utf-8", exclude_characters="\ufffd"), max_size=40),
    cut=st.integers(0, 60),
    skips=st.booleans(),
)
@settings(max_examples=150)
def test_pieces_of_any_text_join_to_the_whole(kind: str, text: str, cut: int, skips: bool) -> None:
    ids = [0, *vocabulary(kind).tokenizer.encode(text, add_special_tokens=False).ids, 1]
    prompt, answer = ids[: cut + 1], ids[cut + 1 :]
    whole = decoded(kind, ids, skips=skips)
    before = next(
        before
        for end in range(len(prompt), -1, -1)
        if whole.startswith(before := decoded(kind, prompt[:end], skips=skips))
    )
    assert before + "".join(pieces(kind, prompt, answer, skips=skips)) == whole


@given(data=st.data(), skips=st.booleans())
@settings(max_examples=300)
def test_byte_level_pieces_of_any_tokens_at_all_join_to_the_whole(data: st.DataObject, skips: bool) -> None:
    ids = data.draw(st.lists(st.integers(0, vocabulary("byte_level").size + 3), max_size=30))
    assert "".join(pieces("byte_level", [], ids, skips=skips)) == decoded("byte_level", ids, skips=skips)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "byte_level"])
@given(data=st.data())
@settings(max_examples=150)
def test_pieces_of_any_readable_tokens_join_to_the_whole(kind: str, data: st.DataObject) -> None:
    readable = [
        token_id
        for token_id in range(vocabulary(kind).size)
        if "0x" not in (vocabulary(kind).tokenizer.id_to_token(token_id) or "") and token_id != 2
    ]
    ids = data.draw(st.lists(st.sampled_from(readable), max_size=30))
    whole = decoded(kind, ids)
    assert "".join(pieces(kind, [], ids)) == whole


@pytest.mark.parametrize("kind", ["byte_level", "sentencepiece"])
def test_a_character_of_several_tokens_comes_whole(kind: str) -> None:
    ids = vocabulary(kind).tokenizer.encode("a😀é").ids
    assert len(ids) >= 5
    given_ = pieces(kind, [], ids)
    assert {"😀", "é"} <= set(given_)
    assert not any("\ufffd" in piece for piece in given_)


@pytest.mark.parametrize("kind", ["byte_level", "sentencepiece"])
def test_an_answer_that_ends_within_a_character_says_so(kind: str) -> None:
    ids = vocabulary(kind).tokenizer.encode("a😀").ids
    assert "".join(pieces(kind, [], ids[:-1])).rstrip("\ufffd") == "a"
    assert pieces(kind, [], ids[:-1])[-1].startswith("\ufffd")


@pytest.mark.parametrize("kind", ["byte_level", "sentencepiece"])
def test_a_character_that_the_prompt_began_comes_whole(kind: str) -> None:
    ids = vocabulary(kind).tokenizer.encode("a😀b").ids
    assert "".join(pieces(kind, ids[:-2], ids[-2:])) == "😀b"


def test_an_answer_keeps_the_space_after_the_prompt() -> None:
    ids = vocabulary("sentencepiece").tokenizer.encode("the a").ids
    assert "".join(pieces("sentencepiece", ids[:-1], ids[-1:])) == " a"
    assert "".join(pieces("sentencepiece", [0], ids[-1:])) == "a"


def without_characters() -> list[tuple[str, int]]:
    """Tokens of each kind that are skipped, unknown, parts of characters, or unreadable."""
    words = ["</s>", "<0x80>", "Ģ", "[UNK]", "\ufffd"]
    return [
        (kind, token_id)
        for kind in KINDS
        for token_id in (*map(vocabulary(kind).tokenizer.token_to_id, words), vocabulary(kind).size + 5)
        if token_id is not None
    ]


@pytest.mark.parametrize(("kind", "token_id"), without_characters())
def test_tokens_that_give_no_character_cost_no_more_the_more_they_are(kind: str, token_id: int) -> None:
    stream = detokenizer(vocabulary(kind), [], skip_special_tokens=True)

    def seconds(count: int) -> float:
        begin = time.process_time()
        for _ in range(count):
            stream.push(token_id)
        return time.process_time() - begin

    first = seconds(2_000)
    assert seconds(2_000) < 5 * first + 0.05


def test_bytes_of_tokens_are_what_they_add_to_a_text() -> None:
    texts = {
        "byte_level": {"Ġthe": b" the", "½": b"\xbd", "</s>": b"</s>", "né 中": "né 中".encode()},
        "sentencepiece": {"▁the": b" the", "<0xE4>": b"\xe4", "中": "中".encode(), "</s>": b"</s>"},
        "unigram": {"▁the": b" the", "he": b"he"},
        "wordpiece": {"the": b" the", "##ing": b"ing", ".": b"."},
    }
    for kind, words in texts.items():
        found = {word: vocabulary(kind).token_bytes(vocabulary(kind).tokenizer.token_to_id(word)) for word in words}
        assert found == words, kind
    assert vocabulary("byte_level").token_bytes(100_000) == b""
