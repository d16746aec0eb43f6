"""Who finds what others have computed."""

from __future__ import annotations

import pytest
from generation_kinds.cores import GREEDY, VOCAB, answer, core, drain

from panope_backends.api import GenerationRequest
from panope_backends.generation import GenerationEngine
from panope_backends.testing import ChecksumStepModel

PROMPT = tuple(range(30))


@pytest.fixture
def engine() -> GenerationEngine:
    return core(ChecksumStepModel({"vocab_size": VOCAB, "block_size": 4, "max_positions": 200}), 100)


def cached(engine: GenerationEngine, number: int, salt: str, n: int = 1) -> int:
    """How many tokens of the prompt a request of this salt finds computed."""
    engine.submit(GenerationRequest(number, PROMPT, sampling=GREEDY, max_tokens=4, n=n, cache_salt=salt))
    usage = drain(engine)[-1].usage
    assert usage is not None
    return usage.cached_tokens


@pytest.mark.parametrize(("first", "second"), [("", "a"), ("a", ""), ("a", "b"), ("a", "a\0"), ("a", "aa")])
def test_what_was_computed_under_another_salt_is_not_found(engine: GenerationEngine, first: str, second: str) -> None:
    assert cached(engine, 1, first) == 0
    assert cached(engine, 2, second) == 0
    assert cached(engine, 3, first) == cached(engine, 4, second) == 28


def test_answers_of_one_request_share_under_a_salt_too(engine: GenerationEngine) -> None:
    cached(engine, 1, "a", n=3)
    assert engine.statistics().prompt_tokens == len(PROMPT)
    assert cached(engine, 2, "a", n=3) == 28


def test_a_salt_changes_no_answer(engine: GenerationEngine) -> None:
    for number, salt in enumerate(["", "a", "b"]):
        engine.submit(GenerationRequest(number, PROMPT, sampling=GREEDY, max_tokens=9, cache_salt=salt))
    deltas = drain(engine)
    assert answer(deltas, 0) == answer(deltas, 1) == answer(deltas, 2)


def test_a_lone_surrogate_is_a_salt_as_good_as_any(engine: GenerationEngine) -> None:
    assert (cached(engine, 1, "\ud800"), cached(engine, 2, "\ud800")) == (0, 28)
