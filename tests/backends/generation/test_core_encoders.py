"""Over an encoder-decoder each prompt is read once, and each answer looks at its own."""

from __future__ import annotations

from typing import Any

import pytest
from generation_kinds.cores import GREEDY, VOCAB, answer, core, drain
from hypothesis import given, settings
from hypothesis import strategies as st

from panope_backends.api import FinishReason, GenerationRequest, StepBatch, StepSequence
from panope_backends.api.step_models.step_batch import Integers
from panope_backends.errors import InternalError, InvalidInputError
from panope_backends.generation import GenerationEngine
from panope_backends.testing import ChecksumEncoderDecoder

POSITIONS = 60
START = (1, 5)
CONFIG = {"vocab_size": VOCAB, "block_size": 4, "max_positions": POSITIONS, "max_source_length": 20}

SLOTS = 28


def engine_of(model: ChecksumEncoderDecoder, blocks: int = 40, **changes: Any) -> GenerationEngine:
    model.allocate_sources(changes.get("slots", SLOTS))
    return core(model, blocks, **{"slots": SLOTS, "decoder_token_ids": START} | changes)


def plain_answer(request: GenerationRequest) -> list[int]:
    """The likeliest tokens, one step each, with a cache and a source that nothing else uses."""
    model = ChecksumEncoderDecoder(CONFIG)
    model.allocate(POSITIONS // 4)
    model.allocate_sources(1)
    model.encode(0, request.prompt_token_ids)
    tokens = list(request.decoder_token_ids or START)
    answer: list[int] = []
    limit = min(request.max_tokens or POSITIONS, POSITIONS - len(tokens))
    while len(answer) < limit and not (answer and answer[-1] in request.stop_token_ids):
        given_tokens = [*tokens, *answer]
        step = StepSequence(given_tokens, 0, range(-(-len(given_tokens) // 4)), source=0)
        answer.append(int(model.forward(StepBatch.of([step]))[0].argmax()))
    return answer


requests = st.lists(
    st.builds(
        GenerationRequest,
        id=st.just(0),
        prompt_token_ids=st.lists(st.integers(0, VOCAB - 1), min_size=1, max_size=20).map(tuple),
        sampling=st.just(GREEDY),
        max_tokens=st.one_of(st.none(), st.integers(1, 30)),
        n=st.sampled_from([1, 1, 2, 4]),
        stop_token_ids=st.lists(st.integers(0, VOCAB - 1), max_size=3).map(tuple),
        priority=st.integers(-1, 1),
        decoder_token_ids=st.sampled_from([(), (), (7,), tuple(range(9))]),
    ),
    min_size=1,
    max_size=7,
)


@settings(max_examples=60)
@given(requests, st.integers(15, 40), st.sampled_from([1, 7, 64]), st.sampled_from([0, 5]))
def test_answers_are_those_of_a_plain_loop(
    asked: list[GenerationRequest], blocks: int, step_tokens: int, draft_tokens: int
) -> None:
    model = ChecksumEncoderDecoder(CONFIG)
    engine = engine_of(model, blocks, step_tokens=step_tokens, max_step_tokens=64, draft_tokens=draft_tokens)
    numbered = [
        GenerationRequest(
            number,
            each.prompt_token_ids,
            sampling=GREEDY,
            max_tokens=each.max_tokens,
            n=each.n,
            stop_token_ids=each.stop_token_ids,
            priority=each.priority,
            decoder_token_ids=each.decoder_token_ids,
        )
        for number, each in enumerate(asked)
    ]
    deltas = []
    for request in numbered:
        engine.submit(request)
        deltas += engine.deltas(0)
    deltas += drain(engine)
    for request in numbered:
        expected = plain_answer(request)
        for index in range(request.n):
            assert answer(deltas, request.id, index) == expected
        (usage,) = (delta.usage for delta in deltas if delta.request_id == request.id and delta.usage)
        assert (usage.prompt_tokens, usage.cached_tokens) == (len(request.prompt_token_ids), 0)
    # Once each, pre-emptions and several answers notwithstanding.
    assert sorted(model.encoded_tokens) == sorted(len(request.prompt_token_ids) for request in numbered)
    assert sorted(engine._loop._readers[0]._free) == list(range(SLOTS))
    assert engine._loop.manager.pool.used == 0


def test_a_step_reads_no_more_texts_than_it_has_room_for() -> None:
    model = ChecksumEncoderDecoder(CONFIG)
    engine = engine_of(model, step_tokens=30, max_step_tokens=30, slots=12)
    for number in range(12):
        engine.submit(GenerationRequest(number, (number,) * 10, sampling=GREEDY, max_tokens=20))
    read = []
    while len(model.encoded_tokens) < 12:
        before = len(model.encoded_tokens)
        engine.deltas(0)
        read.append(len(model.encoded_tokens) - before)
    assert max(read) <= 3


def test_a_text_that_cannot_be_read_ends_its_request_alone() -> None:
    class Failing(ChecksumEncoderDecoder):
        def encode(self, source: int, tokens: Integers) -> None:
            if tokens[0] == 13:
                raise RuntimeError("of the engine")
            super().encode(source, tokens)

    engine = engine_of(Failing(CONFIG), slots=2)
    good = GenerationRequest(1, (3, 4), sampling=GREEDY, max_tokens=10)
    engine.submit(GenerationRequest(0, (13, 4), sampling=GREEDY, max_tokens=10))
    engine.submit(good)
    deltas = drain(engine)
    (end,) = [delta for delta in deltas if delta.request_id == 0]
    assert end.finish_reason is FinishReason.ERROR
    assert isinstance(end.error, InternalError)
    assert answer(deltas, 1) == plain_answer(good)
    # Its source is of use to others.
    for number in (2, 3):
        engine.submit(GenerationRequest(number, (number,), sampling=GREEDY, max_tokens=3))
    deltas = drain(engine)
    assert [len(answer(deltas, number)) for number in (2, 3)] == [3, 3]


def test_fields_of_encoders_are_refused_without_one_and_those_of_prompts_with_one() -> None:
    engine = engine_of(ChecksumEncoderDecoder(CONFIG))
    for field, value in (("prompt_logprobs", 1), ("decoder_token_ids", (VOCAB,)), ("prompt_token_ids", (1,) * 21)):
        with pytest.raises(InvalidInputError) as refusal:
            engine.submit(GenerationRequest(0, **{"prompt_token_ids": (1, 2), field: value}))
        assert refusal.value.field == field
    with pytest.raises(InvalidInputError) as refusal:
        engine.submit(GenerationRequest(0, (1,), decoder_token_ids=(1,) * POSITIONS))
    assert refusal.value.field == "decoder_token_ids"


def test_heads_are_refused_by_name_where_the_model_tells_nothing_of_them():
    with pytest.raises(InvalidInputError) as caught:
        engine_of(ChecksumEncoderDecoder(CONFIG)).submit(
            GenerationRequest(id=1, prompt_token_ids=(3,), alignment_heads=((0, 0),))
        )
    assert caught.value.field == "alignment_heads"
