"""The toy token model in detail: bytes, characters, stops and ends."""

from typing import Any

import pytest

from panope_backends.api import FinishReason, GenerationRequest, SamplingParams, TokenDelta
from panope_backends.testing import EchoTokenModel
from panope_backends.testing.echo_token_model import END


def generate(prompt: str, **changes: Any) -> list[TokenDelta]:
    model = EchoTokenModel({})
    model.submit(GenerationRequest(1, prompt=prompt, sampling=SamplingParams(temperature=0.0), **changes))
    deltas: list[TokenDelta] = []
    while not deltas or deltas[-1].usage is None:
        deltas += model.deltas(1.0)
    return deltas


def text(deltas: list[TokenDelta]) -> str:
    return "".join(delta.text for delta in deltas)


@pytest.mark.parametrize("prompt", ["plain", "Grüße, 世界 🌊!", "🏳️\u200d🌈"])
def test_the_answer_is_the_prompt_in_whole_characters(prompt: str) -> None:
    deltas = generate(prompt)
    assert text(deltas) == prompt
    assert "\ufffd" not in "".join(delta.text for delta in deltas)
    assert [token for delta in deltas for token in delta.token_ids] == [*prompt.encode(), END]
    assert (deltas[-1].finish_reason, deltas[-1].stop_reason) == (FinishReason.STOP, None)


def test_a_character_that_the_limit_cuts_is_replaced() -> None:
    deltas = generate("é", max_tokens=1)
    assert text(deltas) == "\ufffd"
    assert deltas[-1].finish_reason is FinishReason.LENGTH


def test_the_end_token_counts_and_can_be_ignored() -> None:
    usage = generate("abc")[-1].usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (3, 4)
    assert text(generate("abc", ignore_eos=True, max_tokens=8)) == "abcabcab"


@pytest.mark.parametrize(
    ("stop", "shown", "reason"),
    [
        (("lo w",), "hel", "lo w"),
        (("world", "lo"), "hel", "lo"),
        (("low", "o w"), "hell", "o w"),
        (("xyz",), "hello world", None),
        (("world!",), "hello world", None),
        (("ö",), "hello world", None),
    ],
)
def test_the_first_stop_text_to_appear_ends_the_answer(stop: tuple[str, ...], shown: str, reason: str | None) -> None:
    deltas = generate("hello world", stop=stop)
    assert text(deltas) == shown
    assert deltas[-1].stop_reason == reason


def test_nothing_that_a_stop_text_may_take_away_is_given() -> None:
    shown = ""
    for delta in generate("abcabd", stop=("abd",)):
        shown += delta.text
        assert "abcabd".startswith(shown)
        assert not shown.endswith(("abca", "abcab"))
    assert shown == "abc"


def test_a_stop_text_of_several_bytes_a_character_is_met() -> None:
    deltas = generate("Meer 🌊 und Wind", stop=("🌊 u",))
    assert (text(deltas), deltas[-1].stop_reason) == ("Meer ", "🌊 u")
