"""Values that no answer could honour are refused by name before anything runs."""

from __future__ import annotations

from typing import Any

import pytest

from panope_backends.api import GenerationRequest, Grammar, GrammarKind, SamplingParams
from panope_backends.errors import InvalidInputError
from panope_backends.generation.request_limits import require_sensible

VOCAB = 100


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("logit_bias", {"sampling": SamplingParams(logit_bias={100: 1})}),
        ("logit_bias", {"sampling": SamplingParams(logit_bias={-1: 1})}),
        ("stop_token_ids", {"stop_token_ids": (3, 100)}),
        ("logprobs", {"logprobs": 21}),
        ("prompt_logprobs", {"prompt_logprobs": 21}),
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
    sampling = SamplingParams(logit_bias={0: 1, 99: -1})
    fields: dict[str, Any] = {"logprobs": 20, "prompt_logprobs": 0, "min_tokens": 5, "max_tokens": 5}
    stops = tuple(f"stop {number}" for number in range(1_000))
    require_sensible(
        GenerationRequest(1, prompt_token_ids=(1,), sampling=sampling, stop=stops, stop_token_ids=(99,), **fields),
        VOCAB,
    )
