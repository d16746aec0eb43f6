"""What a call holds back of its key's limits on tokens while it runs: calls that come together share what is left."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from panope_server.pipeline.call import Call
from panope_server.pipeline.rate import estimate
from panope_server.tasks.embed import EmbedInput
from panope_server.tasks.generate.types import Conversation, GenerateInput, GenerationOptions
from panope_server.tasks.speech.transcribe import TranscribeInput
from panope_server.tasks.task import Input
from panope_server.tasks.tensors import TensorInput
from panope_server.tasks.tokenize import TokenizeInput

WORDS = "four " * 800
MESSAGES = b'[{"role": "user", "content": "%s"}]' % WORDS.encode()
ONE = GenerationOptions(max_tokens=1)
#: 800 words are 800 tokens, of five letters each.
LEAST, MOST = 700, 1200


@pytest.mark.parametrize(
    "given",
    [
        GenerateInput(prompts=[WORDS], options=ONE),
        GenerateInput(prompts=[WORDS[: len(WORDS) // 2]] * 2, options=ONE),
        GenerateInput(prompts=[], prompt_token_ids=[[1] * 800], options=ONE),
        GenerateInput(prompts=[], conversation=Conversation(MESSAGES), options=ONE),
        EmbedInput([WORDS]),
        TokenizeInput([WORDS]),
        TokenizeInput([], conversation=Conversation(MESSAGES)),
    ],
    ids=lambda given: type(given).__name__,
)
def test_what_is_read_is_held_back_as_what_is_written(call: Callable[..., Call], given: Input) -> None:
    assert LEAST <= estimate(call(given)) <= MOST


def test_answers_are_held_back_at_their_longest(call: Callable[..., Call]) -> None:
    given = GenerateInput(prompts=["a"], options=GenerationOptions(max_tokens=1000, n=2))
    assert 2000 <= estimate(call(given)) <= 2002


def test_audio_is_held_back_by_its_length(call: Callable[..., Call]) -> None:
    short, long = (estimate(call(TranscribeInput(bytes(16_000 * seconds)))) for seconds in (2, 20))
    assert long == 10 * short > 0


def test_what_is_not_counted_in_tokens_holds_none_back(call: Callable[..., Call]) -> None:
    assert estimate(call(TensorInput([]))) == 0
