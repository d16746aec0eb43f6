"""Completions by OpenAI's client: how tokens are drawn, told of and ended."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

from seeded_chat import NAME

PROMPT = "The capital of France is"


def complete(client: openai.OpenAI, **more: Any) -> Any:
    asked = {"model": NAME, "prompt": PROMPT, "max_tokens": 12, "temperature": 0, "extra_body": {"ignore_eos": True}}
    return client.completions.create(**{**asked, **more})


def text_of(client: openai.OpenAI, **more: Any) -> str:
    return str(complete(client, **more).choices[0].text)


def test_a_stream_has_the_text_the_reason_and_then_the_usage(client: openai.OpenAI) -> None:
    whole = complete(client)
    *pieces, last = complete(client, stream=True, stream_options={"include_usage": True})
    assert "".join(piece.choices[0].text for piece in pieces) == whole.choices[0].text
    assert [piece.choices[0].finish_reason for piece in pieces if piece.choices[0].finish_reason] == ["length"]
    assert (last.choices, last.usage) == ([], whole.usage)
    assert whole.usage.completion_tokens == 12
    assert all(piece.usage is None for piece in complete(client, stream=True))


async def test_the_asynchronous_client_completes_and_streams(seeded_server: Any, client: openai.OpenAI) -> None:
    expected = text_of(client)
    async with openai.AsyncOpenAI(base_url=f"{seeded_server.http_url}/v1", api_key="unused", max_retries=0) as made:
        asked: dict[str, Any] = {"model": NAME, "prompt": PROMPT, "max_tokens": 12, "temperature": 0}
        asked["extra_body"] = {"ignore_eos": True}
        assert (await made.completions.create(**asked)).choices[0].text == expected
        stream = await made.completions.create(**asked, stream=True)
        assert "".join([piece.choices[0].text async for piece in stream]) == expected


def test_the_same_seed_draws_the_same_text_alone_and_in_company(client: openai.OpenAI) -> None:
    def drawn(seed: int) -> str:
        return text_of(client, temperature=1, seed=seed, max_tokens=24)

    alone = [drawn(seed) for seed in range(6)]
    assert len(set(alone)) == 6
    with ThreadPoolExecutor(12) as threads:
        assert list(threads.map(drawn, [*range(6)] * 4)) == alone * 4


def test_answers_to_one_prompt_differ_and_stand_in_order(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"prompt": [PROMPT, "Rome"], "n": 3, "temperature": 1, "seed": 5}
    whole = complete(client, **asked)
    texts = [choice.text for choice in whole.choices]
    assert [choice.index for choice in whole.choices] == list(range(6))
    assert len(set(texts)) == 6
    streamed = [""] * 6
    for piece in complete(client, **asked, stream=True):
        streamed[piece.choices[0].index] += piece.choices[0].text
    assert streamed == texts


def test_a_stop_text_ends_an_answer_before_it_also_across_tokens(client: openai.OpenAI) -> None:
    whole = text_of(client, max_tokens=40)
    stop = whole[len(whole) // 2 : len(whole) // 2 + 3]
    before = whole[: whole.index(stop)]
    answer = complete(client, max_tokens=40, stop=["never there", stop])
    assert (answer.choices[0].text, answer.choices[0].finish_reason) == (before, "stop")
    pieces = complete(client, max_tokens=40, stop=stop, stream=True)
    assert "".join(piece.choices[0].text for piece in pieces) == before
    kept = text_of(
        client, max_tokens=40, stop=stop, extra_body={"ignore_eos": True, "include_stop_str_in_output": True}
    )
    assert kept == before + stop


def test_the_likeliest_tokens_are_told_and_greedy_answers_take_the_first(client: openai.OpenAI) -> None:
    told = complete(client, logprobs=3).choices[0].logprobs
    assert len(told.tokens) == len(told.token_logprobs) == len(told.top_logprobs) == 12
    for token, logprob, top in zip(told.tokens, told.token_logprobs, told.top_logprobs, strict=True):
        assert logprob == max(top.values()) == top[token]
        assert sum(math.exp(each) for each in top.values()) <= 1


def test_a_prompt_is_echoed_with_the_probabilities_that_its_tokens_have_as_answers(
    seeded_server: Any, client: openai.OpenAI
) -> None:
    """By them harnesses choose among answers."""
    ids = seeded_server.post("/v1/tokenize", {"model": NAME, "prompt": PROMPT}).json["tokens"]
    scored = complete(client, echo=True, logprobs=1, max_tokens=0).choices[0]
    assert scored.text == PROMPT == "".join(scored.logprobs.tokens)
    assert scored.logprobs.text_offset == [len("".join(scored.logprobs.tokens[:place])) for place in range(len(ids))]
    assert scored.logprobs.token_logprobs[0] is None
    for place in range(1, len(ids)):
        forced = complete(client, prompt=ids[:place], max_tokens=1, logprobs=1, logit_bias={str(ids[place]): 100})
        assert forced.choices[0].logprobs.tokens == [scored.logprobs.tokens[place]]
        told = forced.choices[0].logprobs.token_logprobs[0]
        assert scored.logprobs.token_logprobs[place] == pytest.approx(told, abs=1e-4)


def test_token_ids_are_a_prompt_too(seeded_server: Any, client: openai.OpenAI) -> None:
    ids = seeded_server.post("/v1/tokenize", {"model": NAME, "prompt": PROMPT}).json["tokens"]
    assert text_of(client, prompt=ids) == text_of(client)
    assert [choice.text for choice in complete(client, prompt=[ids, ids]).choices] == [text_of(client)] * 2


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"extra_body": {"best_of": 2}}, "best_of"),
        ({"suffix": "."}, "suffix"),
        ({"logprobs": 21}, "logprobs"),
        ({"prompt": [[1, 100_000]]}, "prompt[0]"),
        ({"prompt": "word " * 10_000}, "prompt"),
    ],
)
def test_the_client_is_told_which_field_is_wrong(client: openai.OpenAI, more: dict[str, Any], field: str) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        complete(client, **more)
    assert refusal.value.param == field
