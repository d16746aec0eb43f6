"""The conformance suite of `TokenModel`: what the contract says, as tests that every backend of this kind passes.

    class TestMine(TokenModelContract):
        prompt = "Once upon a time"

        @pytest.fixture
        def backend(self):
            return MyBackend()

        @pytest.fixture
        def model(self, tmp_path):
            return write_a_small_model(tmp_path)  # -> ModelFacts

Tests of fields that the model does not honour are skipped; that it refuses them by name is tested. The likeliest answer
to the prompt should have a dozen tokens and not be one token again and again.
"""
# ruff: noqa: D102 - tests read as sentences by their names

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

import pytest

from panope_backends.api import (
    Conversation,
    FinishReason,
    GenerationRequest,
    GenerationUsage,
    TokenDelta,
    TokenModel,
)
from panope_backends.testing.contracts.token_model_harness import SAMPLING
from panope_backends.testing.contracts.token_model_limits import TokenModelLimits


class TokenModelContract(TokenModelLimits):
    """Tests of one backend with one small model; the fixtures `backend` and `model` must be given."""

    def test_what_it_honours_is_told(self, generator: TokenModel) -> None:
        assert generator.slots >= 1
        known = {field.name for kind in (GenerationRequest, Conversation) for field in fields(kind)} | SAMPLING
        assert generator.honoured <= known
        assert {"prompt", "prompt_token_ids"} & generator.honoured

    # --- The deltas of an answer.

    def test_an_answer_has_a_text_and_one_end(self, generator: TokenModel) -> None:
        (deltas,) = self.run(generator, self.request(generator))
        assert self.text(deltas)
        assert self.end(deltas).finish_reason in (FinishReason.STOP, FinishReason.LENGTH)
        assert [delta.usage is not None for delta in deltas] == [False] * (len(deltas) - 1) + [True]
        assert not generator.deltas(0.05), "nothing follows the last delta"

    @pytest.mark.parametrize("limit", [1, 2, 5])
    def test_an_answer_ends_at_its_limit(self, generator: TokenModel, limit: int) -> None:
        (deltas,) = self.run(generator, replace(self.endless(generator), max_tokens=limit))
        assert self.end(deltas).finish_reason is FinishReason.LENGTH
        assert self.end(deltas).stop_reason is None
        assert self.usage(deltas).completion_tokens == limit
        if any(delta.token_ids for delta in deltas):
            assert len(self.tokens(deltas)) == limit

    def test_usage_counts_prompt_and_answer(self, generator: TokenModel) -> None:
        (deltas,) = self.run(generator, self.request(generator, prompt_token_ids=self.prompt_token_ids))
        usage = self.usage(deltas)
        assert usage.prompt_tokens == len(self.prompt_token_ids)
        assert 0 <= usage.cached_tokens <= usage.prompt_tokens
        assert usage.completion_tokens >= 1
        if tokens := self.tokens(deltas):
            assert usage.completion_tokens == len(tokens)

    def test_each_answer_of_several_has_its_own_deltas(self, generator: TokenModel) -> None:
        request = self.request(generator, n=min(3, generator.slots))
        (deltas,) = self.run(generator, request)
        assert {delta.index for delta in deltas} == set(range(request.n))
        texts = [self.text(deltas, index) for index in range(request.n)]
        assert all(self.end(deltas, index).finish_reason for index in range(request.n))
        assert [delta.usage is not None for delta in deltas] == [False] * (len(deltas) - 1) + [True]
        assert len(set(texts)) == 1, "without chance all are the likeliest"

    def test_requests_side_by_side_get_the_answers_they_get_alone(self, generator: TokenModel) -> None:
        name = "prompt" if "prompt" in generator.honoured else "prompt_token_ids"
        prompts = [{name: getattr(self, name)[number:]} for number in range(min(4, generator.slots))]
        requests = [self.request(generator, number, **prompt) for number, prompt in enumerate(prompts)]
        alone = [self.text(self.run(generator, request)[0]) for request in requests]
        together = [self.text(deltas) for deltas in self.run(generator, *requests)]
        assert together == alone

    # --- Chance.

    def test_a_seed_draws_the_same_again_alone_and_in_company(self, generator: TokenModel) -> None:
        request = self.request(generator, temperature=1.0, seed=3)
        (first,), (again,) = self.run(generator, request), self.run(generator, request)
        assert self.text(again) == self.text(first)
        others = [self.request(generator, 10 + n, temperature=1.0, seed=n) for n in range(generator.slots - 1)][:7]
        assert self.text(self.run(generator, *others, request)[-1]) == self.text(first)

    def test_other_seeds_draw_otherwise(self, generator: TokenModel) -> None:
        requests = [self.request(generator, n, temperature=1.0, seed=n) for n in range(5)]
        assert len({self.text(self.run(generator, request)[0]) for request in requests}) > 1

    def test_without_a_seed_each_answer_is_drawn_anew(self, generator: TokenModel) -> None:
        requests = [self.request(generator, n, temperature=1.0) for n in range(5)]
        assert len({self.text(self.run(generator, request)[0]) for request in requests}) > 1

    def test_the_answers_of_one_request_are_drawn_differently_and_the_same_again(self, generator: TokenModel) -> None:
        if generator.slots < 3:
            pytest.skip("the model has fewer than three slots")
        request = self.request(generator, temperature=1.0, seed=3, n=3)
        texts = [[self.text(self.run(generator, request)[0], index) for index in range(3)] for _ in range(2)]
        assert texts[0] == texts[1]
        assert len(set(texts[0])) > 1

    def test_without_temperature_the_seed_does_not_matter(self, generator: TokenModel) -> None:
        requests = [self.request(generator, n, temperature=0.0, seed=n) for n in range(3)]
        assert len({self.text(self.run(generator, request)[0]) for request in requests}) == 1

    # --- Stops.

    @pytest.mark.parametrize("include", [False, True])
    def test_a_stop_text_ends_an_answer_and_is_left_out_unless_wanted(
        self, generator: TokenModel, include: bool
    ) -> None:
        whole = self.likeliest(generator)
        stop = whole[len(whole) // 2 :][:3]
        wanted = {"include_stop": True} if include else {}
        (deltas,) = self.run(generator, self.request(generator, stop=("never met", stop), **wanted))
        assert self.text(deltas) == whole[: whole.index(stop)] + (stop if include else "")
        assert (self.end(deltas).finish_reason, self.end(deltas).stop_reason) == (FinishReason.STOP, stop)

    def test_the_beginning_of_a_stop_text_is_given_when_the_rest_does_not_come(self, generator: TokenModel) -> None:
        whole = self.likeliest(generator)
        half = whole[len(whole) // 2 :][:2]
        (deltas,) = self.run(generator, self.request(generator, stop=(half + "\0", whole[-2:] + "\0")))
        assert self.text(deltas) == whole

    def test_a_stop_token_ends_an_answer(self, generator: TokenModel) -> None:
        (whole,) = self.run(generator, self.request(generator))
        tokens = self.tokens(whole)
        if not tokens:
            pytest.skip("the model tells texts alone")
        stop = tokens[len(tokens) // 2]
        (deltas,) = self.run(generator, self.request(generator, stop_token_ids=(stop,)))
        assert self.tokens(deltas) == tokens[: tokens.index(stop) + 1]
        assert (self.end(deltas).finish_reason, self.end(deltas).stop_reason) == (FinishReason.STOP, stop)
        assert self.text(whole).startswith(self.text(deltas))
        assert len(self.text(deltas)) < len(self.text(whole))

    # --- Log-probabilities.

    @pytest.mark.parametrize("count", [0, 3])
    def test_each_token_has_its_log_probabilities(self, generator: TokenModel, count: int) -> None:
        (deltas,) = self.run(generator, self.request(generator, logprobs=count))
        entries = [entry for delta in deltas for entry in delta.logprobs]
        assert len(entries) == self.usage(deltas).completion_tokens
        if tokens := self.tokens(deltas):
            assert [entry.chosen.token_id for entry in entries] == tokens
        for entry in entries:
            logprobs = [likely.logprob for likely in entry.top]
            assert len(logprobs) == count
            assert logprobs == sorted(logprobs, reverse=True)
            assert all(logprob <= 1e-6 for logprob in [entry.chosen.logprob, *logprobs])
            if count:
                assert entry.chosen.logprob == pytest.approx(logprobs[0], abs=1e-6), "the likeliest was taken"

    def test_none_are_told_unasked(self, generator: TokenModel) -> None:
        (deltas,) = self.run(generator, self.request(generator))
        assert not any(delta.logprobs or delta.prompt_logprobs for delta in deltas)

    def likeliest(self, generator: TokenModel) -> str:
        """The text that the tests of stops look into."""
        (deltas,) = self.run(generator, self.request(generator))
        text = self.text(deltas)
        assert len(text) >= 8, "the answer to the prompt is too short to test stops with"
        return text

    def usage(self, deltas: Sequence[TokenDelta]) -> GenerationUsage:
        """What the last delta says."""
        usage = deltas[-1].usage
        assert usage is not None
        return usage
