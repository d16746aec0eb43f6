"""Answers of the core match their grammars, beside others that have none."""

from __future__ import annotations

import re

import pytest
from generation_kinds.cores import VOCAB, core, drain

from panope_backends.api import FinishReason, GenerationRequest, Grammar, GrammarKind, SamplingParams
from panope_backends.errors import InvalidInputError
from panope_backends.testing import ChecksumStepModel

END = 0


def request(number: int, source: str, **fields: object) -> GenerationRequest:
    grammar = Grammar(GrammarKind.REGEX, source) if source else None
    sampling = SamplingParams(seed=number)
    # Fields by their names, which the types do not know.
    return GenerationRequest(number, (5, 6, 7), sampling=sampling, grammar=grammar, max_tokens=40, **fields)  # type: ignore[arg-type]


def model() -> ChecksumStepModel:
    return ChecksumStepModel({"vocab_size": VOCAB})


def test_answers_match_their_grammars_alone_and_in_company() -> None:
    engine = core(model(), 100, (END,), slots=8)
    sources = {1: "[A-F]{3,9}", 2: "", 3: "1(23)*4"}
    for number, source in sources.items():
        engine.submit(request(number, source, n=2))
    deltas = drain(engine)
    for number, source in sources.items():
        for index in range(2):
            own = [delta for delta in deltas if (delta.request_id, delta.index) == (number, index)]
            text = "".join(delta.text for delta in own)
            if source and own[-1].finish_reason is FinishReason.STOP:
                assert re.fullmatch(source, text)
            assert not own[-1].error


def test_a_grammar_that_cannot_be_honoured_is_refused_at_once() -> None:
    engine = core(model(), 100, (END,))
    with pytest.raises(InvalidInputError) as refused:
        engine.submit(request(1, "(a"))
    assert refused.value.field == "grammar"
    engine.submit(request(1, "A"))
    assert drain(engine)[-1].usage


def test_a_model_without_an_end_refuses_grammars_by_name() -> None:
    with pytest.raises(InvalidInputError) as refused:
        core(model(), 100).submit(request(1, "A"))
    assert (refused.value.field, refused.value.reason) == ("grammar", "unsupported_field")
