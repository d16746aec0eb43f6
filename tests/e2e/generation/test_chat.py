"""A chat with real weights: SmolLM2 by llama.cpp, through Envoy, with OpenAI's own client and the command line."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from command_line import panope

CHAT = "HuggingFaceTB/SmolLM2-135M-Instruct"
QUESTION = [{"role": "user", "content": "What is the capital of France? Answer in one word."}]


@pytest.fixture
def client(chat_server: Any) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"http://127.0.0.1:{chat_server.http_port}/v1", api_key="none", max_retries=0) as made:
        yield made


def test_a_question_is_answered(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=CHAT, messages=QUESTION, max_tokens=20, temperature=0)
    assert "Paris" in str(answer.choices[0].message.content)
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 1


def test_pieces_come_as_they_are_made(client: openai.OpenAI) -> None:
    pieces = list(
        client.completions.create(
            model=CHAT, prompt="The capital of France is", max_tokens=2, temperature=0, stream=True
        )
    )
    assert "".join(piece.choices[0].text for piece in pieces if piece.choices) == " Paris."
    assert len(pieces) > 1


def test_an_option_that_the_engine_does_not_honour_is_refused_by_its_name(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        client.chat.completions.create(model=CHAT, messages=QUESTION, logprobs=True, max_tokens=2)
    assert refusal.value.param == "logprobs"


def test_the_command_line_answers_what_is_piped_in(chat_server: Any) -> None:
    command = ("run", CHAT, "--temperature", "0", "--max-tokens", "20", "--address", chat_server.grpc_address)
    assert "Paris" in panope(*command, given="What is the capital of France? Answer in one word.").out


def test_an_answer_whose_worker_is_killed_is_seen_as_failed_and_the_next_is_answered(
    chat_server: Any, client: openai.OpenAI
) -> None:
    stream = client.completions.create(
        model=CHAT,
        prompt="Once upon a time",
        max_tokens=2000,
        temperature=0,
        stream=True,
        extra_body={"ignore_eos": True},
    )
    next(iter(stream))
    (worker,) = chat_server.workers()
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(openai.APIError):
        for _ in stream:
            pass
    again = client.with_options(max_retries=20).chat.completions.create(model=CHAT, messages=QUESTION, max_tokens=5)
    assert again.choices[0].message.content
