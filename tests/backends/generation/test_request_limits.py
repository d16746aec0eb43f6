"""Values that no answer could honour are refused by name before anything runs."""

from __future__ import annotations

from typing import Any, get_type_hints

import pytest
from generation_kinds.cores import core, drain

from panope_backends.api import FinishReason, GenerationRequest, Grammar, GrammarKind, SamplingParams
from panope_backends.errors import InvalidInputError
from panope_backends.generation.request_limits import require_sensible
from panope_backends.testing import ChecksumStepModel

VOCAB = 100


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("logit_bias", {"sampling": SamplingParams(logit_bias={100: 1})}),
        ("logit_bias", {"sampling": SamplingParams(logit_bias={-1: 1})}),
        ("stop_token_ids", {"stop_token_ids": (3, 100)}),
        ("logprobs", {"logprobs": 21}),
        ("prompt_logprobs", {"prompt_logprobs": 21}),
        ("no_repeat_ngram_size", {"sampling": SamplingParams(no_repeat_ngram_size=65)}),
        ("lookup_tokens", {"lookup_tokens": 17}),
        ("lookup_max_ngram", {"lookup_max_ngram": 9}),
        ("min_tokens", {"min_tokens": 6, "max_tokens": 5}),
        ("stop", {"stop": ("a" * 20_000, "b" * 20_000)}),
        ("ignore_eos", {"grammar": Grammar(GrammarKind.JSON_OBJECT), "ignore_eos": True}),
    ],
)
def test_a_value_out_of_bounds_is_refused_by_name(field: str, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError) as refused:
        require_sensible(GenerationRequest(1, prompt_token_ids=(1,), **fields), VOCAB)
    assert refused.value.field == field


def test_values_at_their_bounds_are_taken() -> None:
    sampling = SamplingParams(logit_bias={0: 1, 99: -1}, no_repeat_ngram_size=64)
    fields: dict[str, Any] = {
        "logprobs": 20,
        "prompt_logprobs": 0,
        "min_tokens": 5,
        "max_tokens": 5,
        "lookup_tokens": 16,
    }
    stops = tuple(f"stop {number}" for number in range(1_000))
    require_sensible(
        GenerationRequest(1, prompt_token_ids=(1,), sampling=sampling, stop=stops, stop_token_ids=(99,), **fields),
        VOCAB,
    )


def _whole_numbers(kind: type) -> list[str]:
    return [name for name, hint in get_type_hints(kind).items() if hint in (int, int | None)]


#: Around what 32 and 64 bits hold, signed and unsigned, and past what floating point does.
EDGES = (
    -(10**400),
    -(1 << 63) - 1,
    -(1 << 63),
    -(1 << 31) - 1,
    -1,
    0,
    1,
    2,
    1 << 31,
    1 << 32,
    1 << 63,
    1 << 64,
    10**400,
)


def _request(name: str, value: int) -> GenerationRequest:
    plain: dict[str, Any] = {"id": 1, "prompt_token_ids": (1, 2, 3, 1, 2), "lookup_tokens": 3}
    if name not in SamplingParams.__dataclass_fields__:
        return GenerationRequest(**{**plain, name: value})
    sampling: dict[str, Any] = {name: value}
    return GenerationRequest(**plain, sampling=SamplingParams(**sampling))


@pytest.mark.parametrize("name", [*_whole_numbers(GenerationRequest), *_whole_numbers(SamplingParams), "temperature"])
def test_any_whole_number_is_honoured_or_refused_by_the_name_of_its_field(name: str) -> None:
    engine = core(ChecksumStepModel({"vocab_size": 64, "block_size": 4, "max_positions": 24}), 24, slots=4)
    ends: list[str | None] = []
    for value in EDGES:
        try:
            engine.submit(_request(name, value))
        except InvalidInputError as refusal:
            ends.append(refusal.field)
        else:
            ends.append(drain(engine, 100)[-1].finish_reason)
    engine.close()
    assert FinishReason.LENGTH in ends
    assert {*ends} <= {name, FinishReason.LENGTH}
