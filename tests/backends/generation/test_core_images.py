"""Images in prompts: each is read once, in a step of its own, and no block passes for one with another image."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from generation_kinds.cores import GREEDY, VOCAB, answer, core, drain
from hypothesis import given, settings
from hypothesis import strategies as st

from panope_backends.api import FinishReason, GenerationRequest, StepBatch, StepSequence
from panope_backends.errors import InvalidInputError
from panope_backends.generation import GenerationEngine
from panope_backends.testing import ChecksumImageTextModel, ChecksumStepModel, checksum_image

POSITIONS = 80
IMAGE = 63
CONFIG = {"vocab_size": VOCAB, "block_size": 4, "max_positions": POSITIONS, "image_token_id": IMAGE}


def request_of(number: int, *pieces: int | tuple[int, int], **fields: Any) -> GenerationRequest:
    """A prompt of tokens and of images, `(which, places)`; a token stands between every two places of an image."""
    tokens: list[int] = []
    images = []
    for piece in pieces:
        if isinstance(piece, int):
            tokens.append(piece)
            continue
        which, places = piece
        begin = len(tokens)
        tokens += [IMAGE, 9] * places
        images.append(checksum_image(which, range(begin, len(tokens), 2)))
    fields = {"sampling": GREEDY, "max_tokens": 8} | fields
    return GenerationRequest(number, tuple(tokens), images=tuple(images), **fields)


def plain_answer(request: GenerationRequest) -> list[int]:
    """The likeliest tokens, one step each, with a cache that nothing else uses."""
    model = ChecksumImageTextModel(CONFIG)
    model.allocate(POSITIONS // 4)
    number = None
    if request.images:
        number = 0
        model.open_prompt(0, request.prompt_token_ids, request.images)
        for index in range(len(request.images)):
            model.read_image(0, index)
    found: list[int] = []
    while len(found) < min(request.max_tokens or POSITIONS, POSITIONS - len(request.prompt_token_ids)):
        tokens = [*request.prompt_token_ids, *found]
        step = StepSequence(tokens, 0, range(-(-len(tokens) // 4)), image_prompt=number)
        found.append(int(model.forward(StepBatch.of([step]))[0].argmax()))
    return found


pieces = st.one_of(st.integers(0, 5), st.tuples(st.integers(1, 3), st.integers(1, 6)))
prompts = st.lists(pieces, min_size=1, max_size=6)


@settings(max_examples=60)
@given(st.lists(st.tuples(prompts, st.integers(1, 12), st.sampled_from([1, 1, 2])), min_size=1, max_size=7), st.data())
def test_answers_are_those_of_a_plain_loop(asked: list[tuple[list[Any], int, int]], data: st.DataObject) -> None:
    model = ChecksumImageTextModel(CONFIG)
    blocks = data.draw(st.integers(20, 50))
    step_tokens = data.draw(st.sampled_from([1, 7, 64]))
    drafts = data.draw(st.sampled_from([0, 3]))
    engine = core(model, blocks, slots=14, step_tokens=step_tokens, max_step_tokens=64, draft_tokens=drafts)
    requests = [request_of(number, *prompt, max_tokens=most, n=n) for number, (prompt, most, n) in enumerate(asked)]
    deltas = []
    for request in requests:
        engine.submit(request)
        deltas += engine.deltas(0)
    deltas += drain(engine)
    for request in requests:
        expected = plain_answer(request)
        for index in range(request.n):
            assert answer(deltas, request.id, index) == expected
    # At most once each, pre-emptions and several answers notwithstanding.
    assert len(model.read) <= sum(len(request.images) for request in requests)
    assert model.open_prompts == 0


@pytest.fixture
def model() -> ChecksumImageTextModel:
    return ChecksumImageTextModel(CONFIG)


@pytest.fixture
def engine(model: ChecksumImageTextModel) -> GenerationEngine:
    return core(model, 100, slots=8)


def cached(engine: GenerationEngine, request: GenerationRequest) -> int:
    engine.submit(request)
    deltas = drain(engine)
    assert answer(deltas, request.id) == plain_answer(request)
    usage = deltas[-1].usage
    assert usage is not None
    return usage.cached_tokens


def test_blocks_are_shared_by_prompts_of_the_same_images_alone(
    engine: GenerationEngine, model: ChecksumImageTextModel
) -> None:
    assert cached(engine, request_of(1, 1, 2, (1, 8), 3, 4, 5)) == 0
    assert cached(engine, request_of(2, 1, 2, (2, 8), 3, 4, 5)) == 0  # the same tokens, another image
    assert cached(engine, request_of(3, 1, 2, (1, 8), 3, 4, 5)) == 20
    assert cached(engine, request_of(4, 1, 2, (2, 8), 5, 4, 5)) == 16
    # A beginning that the cache holds needs no reading, but for the places that are computed again.
    assert model.read == [1, 2, 2]


def test_an_image_at_another_place_is_another_content(engine: GenerationEngine) -> None:
    assert cached(engine, request_of(1, (1, 2), (1, 2), 3, 4, 5)) == 0
    assert cached(engine, request_of(2, (1, 4), 3, 4, 5)) == 0  # the same tokens, one image instead of two


def test_a_step_reads_one_image_while_others_go_on(engine: GenerationEngine, model: ChecksumImageTextModel) -> None:
    engine.submit(request_of(1, 5, max_tokens=30))
    engine.deltas(0)
    engine.submit(request_of(2, *((which, 3) for which in range(1, 6)), max_tokens=2))
    engine.submit(request_of(3, 4, (7, 3), max_tokens=2))
    while engine.statistics().running + engine.statistics().waiting > 1:
        before = len(model.read)
        deltas = engine.deltas(0)
        assert len(model.read) - before <= 1
        assert any(delta.request_id == 1 for delta in deltas)
    assert sorted(model.read) == [1, 2, 3, 4, 5, 7]


def test_an_image_that_cannot_be_read_ends_its_request_alone() -> None:
    class Failing(ChecksumImageTextModel):
        def read_image(self, number: int, index: int) -> None:
            if int(self._prompts[number][index].inputs["number"][0]) == 13:
                raise RuntimeError("of the engine")
            super().read_image(number, index)

    failing = Failing(CONFIG)
    engine = core(failing, 100, slots=8)
    good = request_of(1, 2, (3, 2), 4)
    engine.submit(request_of(0, 2, (13, 2), 4, n=2))
    engine.submit(good)
    deltas = drain(engine)
    assert {delta.finish_reason for delta in deltas if delta.request_id == 0} == {FinishReason.ERROR}
    assert answer(deltas, 1) == plain_answer(good)
    assert failing.open_prompts == 0


def test_tokens_of_images_without_images_are_refused_and_images_without_their_tokens(engine: GenerationEngine) -> None:
    for tokens, places in (((1, IMAGE, 2), None), ((1, 2, 3), (1,)), ((IMAGE, IMAGE, 3), (1, 0)), ((IMAGE, 2), ())):
        images = () if places is None else (checksum_image(1, places),)
        with pytest.raises(InvalidInputError) as refusal:
            engine.submit(GenerationRequest(0, tokens, images=images))
        assert refusal.value.field == "images"


def test_images_are_refused_by_name_where_the_model_sees_none() -> None:
    engine = core(ChecksumStepModel(CONFIG), 10)
    with pytest.raises(InvalidInputError) as refusal:
        engine.submit(request_of(0, 1, (1, 2)))
    assert (refusal.value.field, refusal.value.reason) == ("images", "unsupported_field")


def test_log_probabilities_of_a_prompt_with_images_depend_on_no_steps() -> None:
    told = []
    for step_tokens in (1, 7, 64):
        engine = core(ChecksumImageTextModel(CONFIG), 50, slots=2, step_tokens=step_tokens, max_step_tokens=64)
        request = replace(request_of(1, 1, 2, (1, 8), 3, (2, 5), 5, max_tokens=4), prompt_logprobs=2, logprobs=2)
        engine.submit(request)
        deltas = drain(engine)
        told.append([each for delta in deltas for each in (*delta.prompt_logprobs, *delta.logprobs)])
        assert len(told[-1]) == len(request.prompt_token_ids) - 1 + 4
    assert told[0] == told[1] == told[2]
