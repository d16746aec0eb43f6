"""Tokens become words as OpenAI's tokenizer parts them, and have the times of the path that is told most."""

import numpy as np
import pytest
from transformers.models.whisper.generation_whisper import _dynamic_time_warping, _median_filter

from panope_backends.tasks.transcribe.words.alignment import token_times
from panope_backends.tasks.transcribe.words.splitting import words_of


def decoder(texts: list[bytes]):
    """Tokens are bytes, as those of byte-level tokenizers."""
    return lambda ids: b"".join(texts[each] for each in ids).decode(errors="replace")


@pytest.mark.parametrize(
    ("texts", "language", "words"),
    [
        ([b" Hel", b"lo", b" world", b"."], "en", [" Hello", " world."]),
        ([b" He", b" said", b' "', b"no", b'"', b"!"], "en", [" He", " said", ' "no"!']),
        ([b" na", b"\xc3", b"\xaf", b"ve"], "fr", [" na\u00efve"]),
        (["\u4f60".encode(), "\u597d".encode(), "\u3002".encode()], "zh", ["\u4f60", "\u597d\u3002"]),
        (["\u4f60".encode(), "\u597d".encode()], "", ["\u4f60\u597d"]),
        ([b" cut", b" \xe2"], "en", [" cut", " \ufffd"]),
        ([], "en", []),
    ],
    ids=["pieces", "quotes", "halves of a character", "no spaces", "spaces supposed", "an open character", "none"],
)
def test_tokens_are_parted_into_words(texts, language, words):
    found = words_of(range(len(texts)), decoder(texts), language)
    assert [word.text for word in found] == words
    ends = [0, *(word.end for word in found)]
    assert [word.begin for word in found] == ends[:-1]
    assert ends[-1] == len(texts)


@pytest.mark.parametrize("shape", [(2, 5, 30), (3, 17, 17), (1, 9, 4), (6, 40, 150)])
def test_times_are_those_of_transformers(shape):
    import torch

    weights = np.random.default_rng(shape[1]).dirichlet(np.ones(shape[2]) * 0.1, shape[:2]).astype(np.float32)
    given = torch.from_numpy(weights)
    normal = (given - given.mean(-2, keepdim=True)) / given.std(-2, keepdim=True, unbiased=False)
    table = _median_filter(normal[None], 7)[0].mean(dim=0)
    tokens, moments = _dynamic_time_warping(-table.double().numpy())
    right = moments[np.pad(np.diff(tokens), (1, 0), constant_values=1).astype(bool)] * 0.02
    found = token_times(weights, 7)
    assert found[:-1] == pytest.approx(right)
    assert found[-1] == found[-2]
    assert found == sorted(found)


def test_what_tells_nothing_has_no_time():
    assert token_times(np.ones((2, 0, 30), np.float32), 7) == [0.0]
    assert token_times(np.ones((2, 3, 0), np.float32), 7) == [0.0] * 4
    assert token_times(np.full((2, 1, 20), 0.05, np.float32), 7)[0] == 0.0, "one token is spread over nothing"
