"""Text Generation Inference as an upstream, in its own shapes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from remote_doubles import events, run

from panope_backends.api import FinishReason, GenerationRequest, Grammar, GrammarKind, SamplingParams
from panope_backends.errors import AvailabilityError, InvalidInputError
from scripted_server import Script, http

STREAM = "/generate_stream"
INFO = http(200, json.dumps({"model_id": "x", "max_total_tokens": 99, "max_concurrent_requests": 4}).encode())


def token(number: int, text: str, end: str = "", *, special: bool = False, top: Any = None) -> bytes:
    details = {"finish_reason": end, "generated_tokens": number, "seed": 1, "input_length": 5} if end else None
    told = {"id": number, "text": text, "logprob": -0.5, "special": special}
    return json.dumps({"index": number, "token": told, "top_tokens": top, "details": details}).encode()


@pytest.fixture
def model(script: Script, load: Any) -> Any:
    script.reply("/info", INFO)
    return load("tgi")


def test_what_the_server_tells_bounds_the_model(model: Any) -> None:
    assert (model.max_positions, model.slots) == (99, 4)


def test_an_answer_has_tokens_text_and_usage(script: Script, model: Any) -> None:
    script.reply(STREAM, events(token(1, " a"), token(2, " b"), token(3, "</s>", "eos_token", special=True)))
    deltas = run(model)
    assert "".join(delta.text for delta in deltas) == " a b"
    assert [number for delta in deltas for number in delta.token_ids] == [1, 2, 3]
    assert deltas[-1].finish_reason is FinishReason.STOP
    assert (deltas[-1].usage.prompt_tokens, deltas[-1].usage.completion_tokens) == (5, 3)
    sent = json.loads(script.of(STREAM)[0].body)
    assert sent["inputs"] == "p"
    assert sent["parameters"]["do_sample"] is False, "what the caller leaves out is left to the server"


@pytest.mark.parametrize("include", [False, True])
def test_a_stop_that_the_server_keeps_is_left_out_unless_wanted(script: Script, model: Any, include: bool) -> None:
    script.reply(STREAM, events(token(1, "one "), token(2, "END", "stop_sequence")))
    deltas = run(model, stop=("END",), include_stop=include)
    assert "".join(delta.text for delta in deltas) == "one " + "END" * include
    assert (deltas[-1].finish_reason, deltas[-1].stop_reason) == (FinishReason.STOP, "END")


def test_fields_go_as_the_server_has_them(script: Script, model: Any) -> None:
    script.reply(STREAM, events(token(1, "a", "length", top=[{"id": 1, "text": "a", "logprob": -0.5}])))
    sampling = SamplingParams(temperature=0.5, top_k=3, top_p=0.9, seed=7, repetition_penalty=1.5)
    grammar = Grammar(GrammarKind.JSON_SCHEMA, '{"z": 1, "a": 2}')
    deltas = run(model, sampling=sampling, grammar=grammar, logprobs=1, n=2)
    assert [delta.finish_reason for delta in deltas][-2:] == [FinishReason.LENGTH] * 2
    assert all(len(delta.logprobs[0].top) == 1 for delta in deltas if delta.logprobs)
    asked = [json.loads(each.body)["parameters"] for each in script.of(STREAM)]
    bodies = sorted(asked, key=lambda body: body["seed"])
    assert [body["seed"] for body in bodies] == [7, 8]
    assert (bodies[0]["temperature"], bodies[0]["top_k"], bodies[0]["top_p"]) == (0.5, 3, 0.9)
    assert list(bodies[0]["grammar"]["value"]) == ["z", "a"]


def test_what_the_server_does_not_know_is_refused_by_name(model: Any) -> None:
    for field, changes in {
        "grammar": {"grammar": Grammar(GrammarKind.LARK, "start: /a/")},
        "logprobs": {"logprobs": 6},
        "min_tokens": {"min_tokens": 2},
        "max_tokens": {"max_tokens": None},
    }.items():
        with pytest.raises(InvalidInputError) as refusal:
            model.submit(GenerationRequest(1, prompt="p", **{"max_tokens": 3, **changes}))
        assert refusal.value.field == field


def test_a_refusal_and_a_failure_within_are_seen(script: Script, model: Any) -> None:
    told = {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 99", "error_type": "x"}
    script.reply(STREAM, http(422, json.dumps(told).encode()))
    assert run(model)[-1].error.reason == "context_length_exceeded"
    script.reply(STREAM, events(token(1, "a"), b'{"error": "x", "error_type": "generation"}'))
    assert isinstance(run(model)[-1].error, AvailabilityError)
    script.reply(STREAM, events(token(1, "a"), b'{"token": {"id": -1, "text": "a"}}'))
    assert isinstance(run(model)[-1].error, AvailabilityError)
