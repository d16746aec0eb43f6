"""What a call's headers say of kept answers."""

from __future__ import annotations

import pytest

from panope_backends.errors import InvalidInputError
from panope_server.pipeline.call import NO_STORE, CacheControl
from panope_server.transport.interceptors.cache_control import cache_control_of


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("", CacheControl()),
        ("no-store", NO_STORE),
        ("No-Store, max-age=0", NO_STORE),
        ("no-cache", CacheControl(may_answer=False)),
        ("max-age=60", CacheControl(max_age_seconds=60.0)),
        ('max-age="60" , no-cache', CacheControl(may_answer=False, max_age_seconds=60.0)),
        ("no-transform, max-stale", CacheControl()),
    ],
)
def test_https_words_are_understood_and_others_passed_over(header: str, said: CacheControl) -> None:
    assert cache_control_of({"cache-control": header}) == said


@pytest.mark.parametrize("age", ["", "-1", "1.5", "soon", "٣", "1" * 40])
def test_an_age_that_is_no_number_of_seconds_is_refused(age: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        cache_control_of({"cache-control": f"max-age={age}"})
    assert raised.value.field == "cache-control"


@pytest.mark.parametrize(("word", "said"), [("false", NO_STORE), ("true", CacheControl()), ("", CacheControl())])
def test_the_inference_apis_header_is_understood(word: str, said: CacheControl) -> None:
    assert cache_control_of({"x-use-cache": word}) == said


def test_another_word_there_is_refused() -> None:
    with pytest.raises(InvalidInputError):
        cache_control_of({"x-use-cache": "maybe"})
