from __future__ import annotations

from panope_backends.api import TOKEN_INTERVAL_BOUNDS, FinishReason, GenerationUsage, TokenDelta
from panope_backends.worker.step.token_counts import TokenCounts, TokenTimes


def counted(counts: TokenCounts) -> dict[float, int]:
    bounds = (*TOKEN_INTERVAL_BOUNDS, float("inf"))
    return {bound: tokens for bound, tokens in zip(bounds, counts.intervals, strict=True) if tokens}


def test_each_token_counts_by_the_time_since_the_one_before_in_its_own_answer() -> None:
    counts, times = TokenCounts(), TokenTimes()
    for now, index in [(1.0, 0), (1.1, 1), (1.2, 0), (1.35, 1)]:
        counts.note(TokenDelta(7, index, (5,)), now, times)
    assert counted(counts) == {0.25: 2}
    assert round(counts.interval_seconds, 9) == 0.45


def test_tokens_that_come_together_share_the_time() -> None:
    counts, times = TokenCounts(), TokenTimes()
    counts.note(TokenDelta(7, 0, (5,)), 1.0, times)
    counts.note(TokenDelta(7, 0, (5, 6, 7, 8)), 1.4, times)
    assert counted(counts) == {0.125: 4}


def test_texts_of_engines_that_tell_no_tokens_count_as_one() -> None:
    counts, times = TokenCounts(), TokenTimes()
    for now in (1.0, 21.0):
        counts.note(TokenDelta(7, 0, text="more"), now, times)
    counts.note(TokenDelta(7, 0, finish_reason=FinishReason.STOP), 22.0, times)
    assert counted(counts) == {float("inf"): 1}


def test_nothing_is_kept_of_answers_that_ended() -> None:
    counts, times = TokenCounts(), TokenTimes()
    counts.note(TokenDelta(7, 0, (5,)), 1.0, times)
    counts.note(TokenDelta(7, 0, finish_reason=FinishReason.CANCELLED), 2.0, times)
    assert times == {}
    counts.note(TokenDelta(7, 0, (5,)), 9.0, times)
    assert counted(counts) == {}


def test_tokens_of_prompts_and_answers_are_counted() -> None:
    counts, times = TokenCounts(), TokenTimes()
    counts.note(TokenDelta(7, 0, (5, 6)), 1.0, times)
    counts.note(TokenDelta(7, 1, (5,), finish_reason=FinishReason.STOP), 1.0, times)
    counts.note(TokenDelta(7, 0, (), finish_reason=FinishReason.STOP, usage=GenerationUsage(9, 3, 4)), 2.0, times)
    assert (counts.prompt_tokens, counts.cached_tokens, counts.completion_tokens) == (9, 4, 3)
