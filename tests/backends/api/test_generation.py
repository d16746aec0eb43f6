"""Requests to generate hold no nonsense, and models refuse what they do not honour."""

from dataclasses import dataclass
from typing import Any

import pytest

from panope_backends.api import GenerationRequest, SamplingParams
from panope_backends.errors import InvalidInputError
from panope_backends.testing import EchoTokenModel

NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("temperature", value) for value in (-0.1, NAN, INFINITY)],
        ("top_k", -1),
        *[("top_p", value) for value in (0.0, 1.1, NAN)],
        *[("min_p", value) for value in (-0.1, 1.1, NAN)],
        *[("repetition_penalty", value) for value in (0.0, -1.0, NAN, INFINITY)],
        *[("presence_penalty", value) for value in (NAN, INFINITY)],
        *[("frequency_penalty", value) for value in (NAN, -INFINITY)],
        ("logit_bias", {1: 0.5, 2: NAN}),
    ],
)
def test_sampling_settings_out_of_range_are_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(InvalidInputError, match=f"^`{field}` must ") as refusal:
        SamplingParams(**{field: value})
    assert refusal.value.field == field


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("prompt", {"prompt": ""}),
        ("prompt", {"prompt_token_ids": (1,)}),
        ("max_tokens", {"max_tokens": 0}),
        ("min_tokens", {"min_tokens": -1}),
        ("n", {"n": 0}),
        ("stop", {"stop": ("a", "")}),
        ("logprobs", {"logprobs": -1}),
        ("prompt_logprobs", {"prompt_logprobs": -1}),
    ],
)
def test_requests_out_of_range_are_refused_by_name(field: str, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match=f"^`{field}` must ") as refusal:
        GenerationRequest(1, **{"prompt": "a", **changes})
    assert refusal.value.field == field


def test_defaults_and_limits_are_taken() -> None:
    SamplingParams(temperature=0.0, top_p=1.0, min_p=1.0, presence_penalty=-2.0, logit_bias={5: -100.0})
    GenerationRequest(0, (1, 2), max_tokens=1, logprobs=0)


def test_a_request_that_sets_nothing_is_supported_by_all() -> None:
    class Plain(EchoTokenModel):
        honoured = frozenset({"prompt"})

    assert Plain({}).unsupported(GenerationRequest(1, prompt="a", max_tokens=7)) == ()


def test_all_fields_that_are_not_honoured_are_named_in_the_order_of_the_request() -> None:
    sampling = SamplingParams(top_k=1, seed=0, logit_bias={1: 1.0}, temperature=0.0)
    request = GenerationRequest(1, prompt="a", sampling=sampling, priority=3, stop=("b",), prompt_logprobs=0)
    model = EchoTokenModel({})
    assert model.unsupported(request) == ("top_k", "logit_bias", "prompt_logprobs", "priority")
    with pytest.raises(InvalidInputError, match="the model does not support `top_k`, `logit_bias`") as refusal:
        model.submit(request)
    assert (refusal.value.field, refusal.value.reason) == ("top_k", "unsupported_field")
    assert "`topK`, `logit_bias`" in refusal.value.renamed(lambda name: {"top_k": "topK"}.get(name, name)).message


def test_a_field_that_panope_adds_later_is_refused_by_older_models() -> None:
    @dataclass(frozen=True)
    class Later(GenerationRequest):
        mirostat: int = 0

    assert EchoTokenModel({}).unsupported(Later(1, prompt="a")) == ()
    assert EchoTokenModel({}).unsupported(Later(1, prompt="a", mirostat=2)) == ("mirostat",)
