"""What a request says of drafts and of the prefix cache, from the message to the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from panope_backends.errors import InvalidInputError

TEXT = "one two three one two three one two"


def test_guesses_are_made_for_the_request_that_asks_and_change_no_answer(generator: Callable[..., Any]) -> None:
    model = generator()
    plain = model.answer(prompts=[TEXT], max_tokens=40)
    assert model.task.model.statistics().drafted_tokens == 0
    assert model.answer(prompts=[TEXT], max_tokens=40, lookup_tokens=4).text == plain.text
    assert model.task.model.statistics().drafted_tokens > 0


def test_guesses_that_the_settings_make_can_be_refused(generator: Callable[..., Any]) -> None:
    model = generator(draft_tokens=4)
    model.answer(prompts=[TEXT], max_tokens=40, lookup_tokens=0)
    assert model.task.model.statistics().drafted_tokens == 0
    model.answer(prompts=[TEXT], max_tokens=40)
    assert model.task.model.statistics().drafted_tokens > 0


def test_a_conversation_under_a_salt_is_not_found_without_it(generator: Callable[..., Any]) -> None:
    model = generator(prefix_cache=True)
    talk = {"messages_json": b'[{"role": "user", "content": "a long question that fills some blocks"}]'}
    found = [
        model.run(conversation=talk, max_tokens=2, cache_salt=salt)[0].usage.cached_tokens
        for salt in ("", "mine", "", "mine", "yours")
    ]
    assert (found[0], found[1], found[4]) == (0, 0, 0)
    assert found[2] == found[3] > 0


@pytest.mark.parametrize(
    ("fields", "field"), [({"lookup_tokens": 4}, "lookup_tokens"), ({"cache_salt": "a"}, "cache_salt")]
)
def test_an_engine_that_does_not_honour_them_refuses_them_by_name(
    generator: Callable[..., Any], fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        generator("EchoTokenBackend").job(prompts=["a"], **fields)
    assert (refused.value.field, refused.value.reason) == (field, "unsupported_field")
