"""The tests of what token models refuse, of cancelling and of their end."""
# ruff: noqa: D102 - tests read as sentences by their names

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from panope_backends.api import (
    Backend,
    Device,
    FinishReason,
    GenerationRequest,
    Grammar,
    GrammarKind,
    LoadOptions,
    ModelFacts,
    TokenDelta,
    TokenModel,
    TokenRules,
)
from panope_backends.errors import InvalidInputError, OverloadedError, PreconditionError
from panope_backends.testing.contracts.token_model_harness import SAMPLING, TokenModelHarness

#: A value for each field that a model may not honour, other than its default.
VALUES: Mapping[str, Any] = {
    "temperature": 0.5,
    "top_k": 3,
    "top_p": 0.5,
    "min_p": 0.1,
    "repetition_penalty": 1.1,
    "presence_penalty": 0.5,
    "frequency_penalty": 0.5,
    "logit_bias": {1: -1.0},
    "no_repeat_ngram_size": 2,
    "seed": 7,
    "min_tokens": 2,
    "n": 2,
    "stop": ("\n\n",),
    "stop_token_ids": (2,),
    "include_stop": True,
    "ignore_eos": True,
    "forced_eos_token_ids": (2,),
    "skip_special_tokens": False,
    "logprobs": 1,
    "prompt_logprobs": 0,
    "grammar": Grammar(GrammarKind.JSON_OBJECT),
    "priority": 1,
    "cache_salt": "a",
    "lookup_tokens": 2,
    "lookup_max_ngram": 2,
    "decoder_token_ids": (1, 2),
    "token_rules": TokenRules(suppressed=(1,)),
}

PROMPTS = {"prompt", "prompt_token_ids", "conversation", "features", "images"}


class TokenModelLimits(TokenModelHarness):
    """A part of `TokenModelContract`."""

    def test_values_of_all_fields_are_tried(self) -> None:
        known = {field.name for field in fields(GenerationRequest)} | SAMPLING
        assert known - VALUES.keys() == PROMPTS | {
            "id",
            "sampling",
            "max_tokens",
            "given",
            "adapter",
            "alignment_heads",
        }

    @pytest.mark.parametrize("name", VALUES)
    def test_a_field_is_honoured_or_refused_by_its_name(self, generator: TokenModel, name: str) -> None:
        request = self.request(generator, max_tokens=4)
        if name in SAMPLING:
            request = replace(request, sampling=replace(request.sampling, **{name: VALUES[name]}))
        else:
            request = replace(request, **{name: VALUES[name]})
        if name == "n" and generator.slots < request.n:
            pytest.skip("the model has one slot")
        if name in generator.honoured and not generator.unsupported(request):
            self.run(generator, request)
            return
        assert generator.unsupported(request) == (name,)
        with pytest.raises(InvalidInputError) as refusal:
            generator.submit(request)
        assert refusal.value.field == name
        assert not generator.deltas(0)

    def test_a_prompt_of_the_other_form_is_refused_by_its_name(self, generator: TokenModel) -> None:
        for request in (GenerationRequest(1, prompt=self.prompt), GenerationRequest(1, self.prompt_token_ids)):
            name = "prompt" if request.prompt else "prompt_token_ids"
            if name not in generator.honoured:
                with pytest.raises(InvalidInputError) as refusal:
                    generator.submit(request)
                assert refusal.value.field == name

    def test_a_token_out_of_the_vocabulary_is_refused(self, generator: TokenModel) -> None:
        if not generator.vocab_size:
            pytest.skip("the model tells no vocabulary")
        for token in (-1, generator.vocab_size):
            with pytest.raises(InvalidInputError) as refusal:
                generator.submit(self.request(generator, prompt_token_ids=(1, token)))
            assert refusal.value.field == "prompt_token_ids"

    def test_a_prompt_that_leaves_no_room_is_refused(self, generator: TokenModel) -> None:
        if not generator.max_positions:
            pytest.skip("the model tells no limit")
        too_long = generator.max_source_length + 1 if generator.max_source_length else generator.max_positions
        with pytest.raises(InvalidInputError) as refusal:
            generator.submit(self.request(generator, prompt_token_ids=(1,) * too_long))
        assert refusal.value.field == "prompt_token_ids"

    def test_the_last_position_ends_an_answer(self, generator: TokenModel) -> None:
        if not 0 < generator.max_positions <= 8192:
            pytest.skip("the model tells no limit, or one that a test does not reach")
        name = "decoder_token_ids" if generator.max_source_length else "prompt_token_ids"
        begin: dict[str, Any] = {name: (1,) * (generator.max_positions - 2)}
        (deltas,) = self.run(generator, self.endless(generator, **begin))
        assert self.end(deltas).finish_reason is FinishReason.LENGTH
        assert deltas[-1].usage is not None
        assert deltas[-1].usage.completion_tokens == 2

    def test_more_answers_than_slots_are_refused(self, generator: TokenModel) -> None:
        with pytest.raises(InvalidInputError) as refusal:
            generator.submit(self.request(generator, n=generator.slots + 1))
        assert refusal.value.field == "n"

    def test_an_id_that_runs_is_refused_and_can_be_used_again_later(self, generator: TokenModel) -> None:
        request = self.endless(generator)
        generator.submit(request)
        if generator.slots > 1:
            with pytest.raises(InvalidInputError) as refusal:
                generator.submit(request)
            assert refusal.value.field == "id"
        generator.cancel(request.id)
        self.collect(generator, request.id)
        self.run(generator, self.request(generator))

    def test_a_request_beyond_the_slots_is_refused_until_one_is_free(self, generator: TokenModel) -> None:
        if generator.slots > 64:
            pytest.skip("the model has more slots than a test fills")
        for number in range(generator.slots):
            generator.submit(self.endless(generator, number))
        late = self.request(generator, id=999)
        with pytest.raises(OverloadedError):
            generator.submit(late)
        generator.cancel(0)
        deltas = self.collect(generator, 0)
        assert late.id not in deltas
        self.run(generator, late)
        for number in range(1, generator.slots):
            generator.cancel(number)
        self.collect(generator, *range(1, generator.slots))

    # --- Cancelling.

    def test_a_cancelled_request_ends_and_says_so(self, generator: TokenModel) -> None:
        request = self.endless(generator)
        generator.submit(request)
        assert generator.deltas(self.timeout_seconds)
        generator.cancel(request.id)
        generator.cancel(request.id)
        deltas = self.collect(generator, request.id)[request.id]
        assert self.end(deltas).finish_reason is FinishReason.CANCELLED
        assert not generator.deltas(0.05)

    def test_a_request_can_be_cancelled_before_its_first_delta(self, generator: TokenModel) -> None:
        request = self.endless(generator)
        generator.submit(request)
        generator.cancel(request.id)
        deltas = self.collect(generator, request.id)[request.id]
        assert self.end(deltas).finish_reason is FinishReason.CANCELLED

    def test_all_answers_of_a_cancelled_request_end(self, generator: TokenModel) -> None:
        request = self.endless(generator, n=min(2, generator.slots))
        generator.submit(request)
        generator.cancel(request.id)
        deltas = self.collect(generator, request.id)[request.id]
        for index in range(request.n):
            assert self.end(deltas, index).finish_reason is FinishReason.CANCELLED

    def test_cancelling_what_does_not_run_changes_nothing(self, generator: TokenModel) -> None:
        (expected,) = self.run(generator, self.request(generator))
        generator.cancel(1)
        generator.cancel(999)
        (found,) = self.run(generator, self.request(generator))
        assert self.text(found) == self.text(expected)

    def test_cancelling_one_request_leaves_others_alone(self, generator: TokenModel) -> None:
        if generator.slots < 2:
            pytest.skip("the model has one slot")
        (expected,) = self.run(generator, self.request(generator))
        generator.submit(self.endless(generator, id=2))
        generator.submit(self.request(generator, id=3))
        generator.cancel(2)
        found = self.collect(generator, 2, 3)[3]
        assert self.text(found) == self.text(expected)
        assert self.end(found).finish_reason is self.end(expected).finish_reason

    # --- Waiting and closing.

    def test_with_nothing_to_do_deltas_waits_for_its_time(self, generator: TokenModel) -> None:
        started = monotonic()
        assert not generator.deltas(0)
        assert not generator.deltas(0.1)
        assert 0.1 <= monotonic() - started < self.timeout_seconds

    def test_a_request_wakes_a_thread_that_waits_for_deltas(self, generator: TokenModel) -> None:
        received: list[TokenDelta] = []
        waiting = threading.Thread(target=lambda: received.extend(generator.deltas(self.timeout_seconds)))
        waiting.start()
        request = self.request(generator)
        generator.submit(request)
        waiting.join(self.timeout_seconds / 2)
        assert not waiting.is_alive()
        assert {delta.request_id for delta in received} == {request.id}

    def test_a_closed_model_takes_nothing_and_gives_nothing(self, generator: TokenModel) -> None:
        generator.submit(self.endless(generator))
        generator.close()
        generator.close()
        generator.cancel(1)
        assert not generator.deltas(0.05)
        with pytest.raises(PreconditionError):
            generator.submit(self.request(generator, id=2))

    def test_closing_wakes_a_thread_that_waits_for_deltas(self, generator: TokenModel) -> None:
        waiting = threading.Thread(target=lambda: generator.deltas(self.timeout_seconds))
        waiting.start()
        generator.close()
        waiting.join(self.timeout_seconds / 2)
        assert not waiting.is_alive()

    def test_a_model_can_be_loaded_again_after_close(
        self, backend: Backend, model: ModelFacts, folder: Path, device: Device
    ) -> None:
        texts = []
        for _ in range(2):
            generator = backend.load(model, folder, device.name, LoadOptions())
            assert isinstance(generator, TokenModel)
            (deltas,) = self.run(generator, self.request(generator))
            texts.append(self.text(deltas))
            generator.close()
        assert texts[0] == texts[1]
