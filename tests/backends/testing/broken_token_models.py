"""Token models with one fault each, under the suite that must find it; `caught_by` names the test that does.

Pytest does not collect this file by itself: `test_token_model_contract` runs it and reads which tests failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest

from panope_backends.api import (
    Backend,
    FinishReason,
    GenerationRequest,
    GenerationUsage,
    LoadOptions,
    ModelFacts,
    TokenDelta,
    TokenModel,
)
from panope_backends.testing import EchoTokenBackend, EchoTokenModel, TokenModelContract
from panope_backends.testing import echo_token_model as echo

Answer = echo._Answer


class Broken(TokenModelContract):
    """Runs the suite on `Model`, and on `Answer` as its sequences."""

    timeout_seconds = 1.0
    caught_by: ClassVar[str]
    Model: ClassVar[type[TokenModel]] = EchoTokenModel
    Answer: ClassVar[type[Answer]] = Answer

    @pytest.fixture
    def backend(self, monkeypatch: pytest.MonkeyPatch) -> Backend:
        kind = self.Model
        monkeypatch.setattr(echo, "_Answer", self.Answer)

        class FaultyBackend(EchoTokenBackend):
            def load(self, model: ModelFacts, folder: Any, device: str, options: LoadOptions) -> TokenModel:
                super().load(model, folder, device, options)
                return kind(model.config)

        return FaultyBackend()

    @pytest.fixture
    def model(self) -> ModelFacts:
        return ModelFacts("test/broken", "safetensors", config={"max_positions": 64})


class TestHonoursWhatDoesNotExist(Broken):
    caught_by = "test_what_it_honours_is_told"

    class Model(EchoTokenModel):
        honoured = EchoTokenModel.honoured | {"temprature"}


class TestIgnoresFields(Broken):
    caught_by = "test_a_field_is_honoured_or_refused_by_its_name"

    class Model(EchoTokenModel):
        def require_supported(self, request: GenerationRequest) -> None: ...


class TestTakesPromptsThatItCannotRead(Broken):
    caught_by = "test_a_prompt_of_the_other_form_is_refused_by_its_name"

    class Model(EchoTokenModel):
        honoured = EchoTokenModel.honoured - {"prompt_token_ids"}

        def require_supported(self, request: GenerationRequest) -> None: ...


class TestIsAnotherAfterEachLoad(Broken):
    caught_by = "test_a_model_can_be_loaded_again_after_close"
    loads: ClassVar[list[TokenModel]] = []

    class Model(EchoTokenModel):
        def __init__(self, config: dict[str, Any]) -> None:
            super().__init__(config)
            TestIsAnotherAfterEachLoad.loads.append(self)

        def submit(self, request: GenerationRequest) -> None:
            super().submit(replace(request, prompt=request.prompt * len(TestIsAnotherAfterEachLoad.loads)))


class TestEndsTwice(Broken):
    caught_by = "test_an_answer_has_a_text_and_one_end"

    class Model(EchoTokenModel):
        def deltas(self, timeout_seconds: float) -> Sequence[TokenDelta]:
            deltas = super().deltas(timeout_seconds)
            return [*deltas, *(delta for delta in deltas if delta.usage)]


class TestTellsNoUsage(Broken):
    caught_by = "test_an_answer_has_a_text_and_one_end"

    class Model(EchoTokenModel):
        def deltas(self, timeout_seconds: float) -> Sequence[TokenDelta]:
            return [replace(delta, usage=None) for delta in super().deltas(timeout_seconds)]


class TestGoesOneTokenTooFar(Broken):
    caught_by = "test_an_answer_ends_at_its_limit"

    class Answer(Answer):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self._room += 1


class TestForgetsThePositions(Broken):
    caught_by = "test_the_last_position_ends_an_answer"

    class Answer(Answer):
        def __init__(self, request: GenerationRequest, prompt: Sequence[int], room: int, index: int) -> None:
            super().__init__(request, prompt, room + 1, index)


class TestCountsThePromptWithEachAnswer(Broken):
    caught_by = "test_usage_counts_prompt_and_answer"

    class Model(EchoTokenModel):
        def deltas(self, timeout_seconds: float) -> Sequence[TokenDelta]:
            return [
                replace(delta, usage=delta.usage and GenerationUsage(delta.usage.prompt_tokens + 1, 1))
                for delta in super().deltas(timeout_seconds)
            ]


class TestGivesOneAnswerOfSeveral(Broken):
    caught_by = "test_each_answer_of_several_has_its_own_deltas"

    class Model(EchoTokenModel):
        def submit(self, request: GenerationRequest) -> None:
            super().submit(request if request.n > self.slots else replace(request, n=1))


class TestSharesASeedBetweenAnswers(Broken):
    caught_by = "test_the_answers_of_one_request_are_drawn_differently_and_the_same_again"

    class Answer(Answer):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self._random = np.random.default_rng(self._request.sampling.seed)


class TestMixesRequestsUp(Broken):
    caught_by = "test_requests_side_by_side_get_the_answers_they_get_alone"

    class Model(EchoTokenModel):
        def submit(self, request: GenerationRequest) -> None:
            super().submit(request)
            for answers in self._answers.values():
                answers[0].prompt = next(iter(self._answers.values()))[0].prompt


class TestDrawsFromOneSource(Broken):
    caught_by = "test_a_seed_draws_the_same_again_alone_and_in_company"
    shared = np.random.default_rng(0)

    class Answer(Answer):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self._random = TestDrawsFromOneSource.shared


class TestForgetsTheSeed(Broken):
    caught_by = "test_other_seeds_draw_otherwise"

    class Answer(Answer):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self._random = np.random.default_rng(0)


class TestDrawsTheSameWithoutASeed(Broken):
    caught_by = "test_without_a_seed_each_answer_is_drawn_anew"

    class Answer(Answer):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self._random = np.random.default_rng([self._request.sampling.seed or 0, 0])


class TestDrawsWithoutTemperature(Broken):
    caught_by = "test_without_temperature_the_seed_does_not_matter"

    class Answer(Answer):
        def _draw(self, logits: np.ndarray[Any, Any]) -> int:
            return int(self._random.choice(echo._LETTERS))


class TestGivesHalfAStop(Broken):
    caught_by = "test_a_stop_text_ends_an_answer_and_is_left_out_unless_wanted"

    class Answer(Answer):
        def _with_text(self, delta: TokenDelta, text: str) -> TokenDelta:
            delta = super()._with_text(delta, text)
            held_back, self._shown = self._held_back, getattr(self, "_shown", "")
            if self.has_ended:
                return replace(delta, text=delta.text[len(self._shown) :] if self._shown else delta.text)
            delta = replace(delta, text=(delta.text + held_back)[len(self._shown) :])
            self._shown = held_back
            return delta


class TestKeepsTheStop(Broken):
    caught_by = "test_a_stop_text_ends_an_answer_and_is_left_out_unless_wanted"

    class Answer(Answer):
        def __init__(self, request: GenerationRequest, *rest: Any) -> None:
            super().__init__(replace(request, include_stop=True), *rest)


class TestSwallowsTheBeginningOfAStop(Broken):
    caught_by = "test_the_beginning_of_a_stop_text_is_given_when_the_rest_does_not_come"

    class Answer(Answer):
        def _with_text(self, delta: TokenDelta, text: str) -> TokenDelta:
            delta = super()._with_text(delta, text)
            self._held_back = ""
            return delta


class TestTellsNoStopToken(Broken):
    caught_by = "test_a_stop_token_ends_an_answer"

    class Answer(Answer):
        def _ended(self, delta: TokenDelta, reason: FinishReason, stop: str | int | None = None) -> TokenDelta:
            return super()._ended(delta, reason, stop if isinstance(stop, str) else None)


class TestTellsTooFewLogprobs(Broken):
    caught_by = "test_each_token_has_its_log_probabilities"

    class Answer(Answer):
        def __init__(self, request: GenerationRequest, *rest: Any) -> None:
            super().__init__(replace(request, logprobs=request.logprobs and request.logprobs - 1), *rest)


class TestTellsLogitsAsLogprobs(Broken):
    caught_by = "test_each_token_has_its_log_probabilities"

    class Answer(Answer):
        def _logprobs(self, logits: np.ndarray[Any, Any], token: int) -> Any:
            entries = super()._logprobs(logits, token)
            return tuple(
                replace(entry, chosen=replace(entry.chosen, logprob=float(logits[token]))) for entry in entries
            )


class TestTellsLogprobsUnasked(Broken):
    caught_by = "test_none_are_told_unasked"

    class Answer(Answer):
        def __init__(self, request: GenerationRequest, *rest: Any) -> None:
            super().__init__(replace(request, logprobs=request.logprobs or 0), *rest)


class TestTakesAnyToken(Broken):
    caught_by = "test_a_token_out_of_the_vocabulary_is_refused"

    class Model(EchoTokenModel):
        def _require_fitting(self, request: GenerationRequest, prompt: Sequence[int]) -> None:
            super()._require_fitting(request, [0] * len(prompt))


class TestTakesAnyPrompt(Broken):
    caught_by = "test_a_prompt_that_leaves_no_room_is_refused"

    class Model(EchoTokenModel):
        def _require_fitting(self, request: GenerationRequest, prompt: Sequence[int]) -> None:
            super()._require_fitting(request, prompt[:1] if set(prompt) == {1} else prompt)


class TestSaysOverloadedForever(Broken):
    caught_by = "test_more_answers_than_slots_are_refused"

    class Model(EchoTokenModel):
        def _require_fitting(self, request: GenerationRequest, prompt: Sequence[int]) -> None:
            super()._require_fitting(replace(request, n=1), prompt)


class TestTakesAnIdTwice(Broken):
    caught_by = "test_an_id_that_runs_is_refused_and_can_be_used_again_later"

    class Model(EchoTokenModel):
        def submit(self, request: GenerationRequest) -> None:
            self._answers.pop(request.id, None)
            super().submit(request)


class TestKeepsAQueue(Broken):
    caught_by = "test_a_request_beyond_the_slots_is_refused_until_one_is_free"

    class Model(EchoTokenModel):
        def __init__(self, config: dict[str, Any]) -> None:
            super().__init__(config)
            self.slots += 1

        def __getattribute__(self, name: str) -> Any:
            value = super().__getattribute__(name)
            return value - 1 if name == "slots" and not super().__getattribute__("_changed")._is_owned() else value


class TestLosesASlotWithEachCancel(Broken):
    caught_by = "test_a_request_beyond_the_slots_is_refused_until_one_is_free"

    class Model(EchoTokenModel):
        def cancel(self, request_id: int) -> None:
            super().cancel(request_id)
            if request_id in self._answers:
                self._answers.setdefault(-1 - request_id, [])
                self.slots -= 1


class TestCancelsNothing(Broken):
    caught_by = "test_a_cancelled_request_ends_and_says_so"

    class Model(EchoTokenModel):
        def cancel(self, request_id: int) -> None: ...


class TestDropsWhatIsCancelled(Broken):
    caught_by = "test_a_request_can_be_cancelled_before_its_first_delta"

    class Model(EchoTokenModel):
        def cancel(self, request_id: int) -> None:
            self._answers.pop(request_id, None)


class TestCancelsOneAnswer(Broken):
    caught_by = "test_all_answers_of_a_cancelled_request_end"

    class Model(EchoTokenModel):
        def cancel(self, request_id: int) -> None:
            super().cancel(request_id)
            for answer in self._answers.get(request_id, [])[1:]:
                answer._room = 5
                # The test replaces it, which the types do not know.
                answer.end = lambda reason, answer=answer: answer._ended(TokenDelta(request_id, 1), FinishReason.STOP)  # type: ignore[method-assign]


class TestDiesOfAnUnknownCancel(Broken):
    caught_by = "test_cancelling_what_does_not_run_changes_nothing"

    class Model(EchoTokenModel):
        def cancel(self, request_id: int) -> None:
            self._cancelled.add(request_id)


class TestCancelsEverything(Broken):
    caught_by = "test_cancelling_one_request_leaves_others_alone"

    class Model(EchoTokenModel):
        def cancel(self, request_id: int) -> None:
            for running in list(self._answers):
                super().cancel(running)


class TestNeverWaits(Broken):
    caught_by = "test_with_nothing_to_do_deltas_waits_for_its_time"

    class Model(EchoTokenModel):
        def deltas(self, timeout_seconds: float) -> Sequence[TokenDelta]:
            return super().deltas(0)


class TestSleepsThroughSubmit(Broken):
    caught_by = "test_a_request_wakes_a_thread_that_waits_for_deltas"

    class Model(EchoTokenModel):
        def submit(self, request: GenerationRequest) -> None:
            self._changed.notify_all = lambda: None  # type: ignore[method-assign]  # the test replaces it
            super().submit(request)


class TestTakesRequestsWhenClosed(Broken):
    caught_by = "test_a_closed_model_takes_nothing_and_gives_nothing"

    class Model(EchoTokenModel):
        def close(self) -> None:
            super().close()
            self._is_closed = False


class TestSleepsThroughClose(Broken):
    caught_by = "test_closing_wakes_a_thread_that_waits_for_deltas"

    class Model(EchoTokenModel):
        def close(self) -> None:
            self._changed.notify_all = lambda: None  # type: ignore[method-assign]  # the test replaces it
            super().close()
