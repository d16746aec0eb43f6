"""What servers may answer: refusals, failures, answers that are none, and never an end."""

from __future__ import annotations

import gzip
import json
import time
from typing import Any

import pytest
from remote_doubles import STREAM, events, run

from panope_backends.api import FinishReason, GenerationRequest
from panope_backends.errors import AvailabilityError, InvalidInputError, OverloadedError, PanopeError, PreconditionError
from scripted_server import Script, http

COMPLETIONS = "/completions"
SECRET = "host db-7 password hunter2"


def piece(text: str = "", finish: str | None = None, index: int = 0, **more: Any) -> bytes:
    return json.dumps({"choices": [{"index": index, "text": text, "finish_reason": finish, **more}]}).encode()


USAGE = json.dumps({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}).encode()
GOOD = events(piece("a"), piece("b", "stop"), USAGE, b"[DONE]")


def text(deltas: Any) -> str:
    return "".join(delta.text for delta in deltas)


def error(deltas: Any) -> PanopeError:
    assert deltas[-1].finish_reason is FinishReason.ERROR
    assert deltas[-1].error is not None
    assert SECRET not in str(deltas[-1].error)
    return deltas[-1].error


def test_an_answer_in_pieces(script: Script, load: Any) -> None:
    script.reply(COMPLETIONS, GOOD)
    deltas = run(load())
    assert text(deltas) == "ab"
    assert deltas[-1].finish_reason is FinishReason.STOP
    assert (deltas[-1].usage.prompt_tokens, deltas[-1].usage.completion_tokens) == (3, 2)


@pytest.mark.parametrize("status", [429, 503])
def test_what_was_not_taken_is_sent_again_after_the_time_that_the_server_asks(
    script: Script, load: Any, status: int
) -> None:
    refused = http(status, SECRET.encode(), "retry-after-ms: 20")
    script.reply(COMPLETIONS, refused, refused, GOOD)
    assert text(run(load())) == "ab"
    assert len(script.of(COMPLETIONS)) == 3
    assert len({asked.body for asked in script.of(COMPLETIONS)}) == 1


def test_a_server_that_takes_nothing_is_asked_as_often_as_the_settings_say(script: Script, load: Any) -> None:
    script.reply(COMPLETIONS, http(429, b"", "retry-after: 0"))
    failure = error(run(load(max_attempts=2)))
    assert isinstance(failure, OverloadedError)
    assert len(script.of(COMPLETIONS)) == 2


def test_a_longer_wait_than_ten_seconds_is_the_callers(script: Script, load: Any) -> None:
    script.reply(COMPLETIONS, http(429, b"", "retry-after: 3600"))
    failure = error(run(load()))
    assert failure.retry_after_seconds == 3600
    assert len(script.of(COMPLETIONS)) == 1


@pytest.mark.parametrize(
    ("status", "kind", "says"),
    [
        (500, AvailabilityError, "failed"),
        (502, AvailabilityError, "failed"),
        (401, PreconditionError, "remote.api_keys"),
        (403, PreconditionError, "remote.api_keys"),
        (404, PreconditionError, "no such model"),
        (418, PreconditionError, "refuses"),
        (400, PreconditionError, "refuses"),
    ],
)
def test_a_refusal_is_not_sent_again_and_its_words_stay_here(
    script: Script, load: Any, status: int, kind: type[PanopeError], says: str
) -> None:
    script.reply(COMPLETIONS, http(status, json.dumps({"error": {"message": SECRET, "param": SECRET}}).encode()))
    failure = error(run(load()))
    assert isinstance(failure, kind)
    assert says in failure.message
    assert len(script.of(COMPLETIONS)) == 1


def test_a_refusal_of_a_field_of_the_callers_names_it(script: Script, load: Any) -> None:
    script.reply(COMPLETIONS, http(400, json.dumps({"error": {"message": SECRET, "param": "stop[3]"}}).encode()))
    failure = error(run(load(), stop=("a", "b")))
    assert isinstance(failure, InvalidInputError)
    assert failure.field == "stop"


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": SECRET, "code": "context_length_exceeded"}},
        {"object": "error", "message": f"This model's maximum context length is 4 tokens. {SECRET}", "param": None},
    ],
)
def test_a_prompt_that_is_too_long_there_is_known_as_such(script: Script, load: Any, body: Any) -> None:
    script.reply(COMPLETIONS, http(400, json.dumps(body).encode()))
    failure = error(run(load()))
    assert (failure.field, failure.reason) == ("prompt", "context_length_exceeded")


def test_a_redirect_is_not_followed(script: Script, load: Any) -> None:
    script.reply(COMPLETIONS, http(307, b"", "location: /elsewhere"))
    script.reply("/elsewhere", GOOD)
    failure = error(run(load()))
    assert "redirects are not followed" in failure.message
    assert not script.of("/elsewhere")


def test_an_answer_that_breaks_off_is_seen_as_such(script: Script, load: Any) -> None:
    script.reply(COMPLETIONS, events(piece("a")))
    deltas = run(load())
    assert text(deltas) == "a"
    assert "broke its answer off" in error(deltas).message
    assert len(script.of(COMPLETIONS)) == 1, "something of the answer had come"


def test_a_whole_answer_without_its_last_words_is_an_answer(script: Script, load: Any) -> None:
    script.reply(COMPLETIONS, events(piece("a"), piece("b", "length")))
    deltas = run(load())
    assert deltas[-1].finish_reason is FinishReason.LENGTH
    assert deltas[-1].usage.completion_tokens == 2


def test_what_follows_the_end_of_an_answer_changes_nothing(script: Script, load: Any) -> None:
    script.reply(COMPLETIONS, events(piece("a", "stop"), piece("b"), b"{"))
    deltas = run(load())
    assert text(deltas) == "a"
    assert deltas[-1].finish_reason is FinishReason.STOP


DEEP = b'{"choices":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.mark.parametrize(
    "reply",
    {
        "html": http(200, b"<html>", kind="text/html"),
        "no stream": http(200, b'{"choices": []}'),
        "compressed": http(200, gzip.compress(b"x"), "content-encoding: gzip", kind="text/event-stream"),
        "not JSON": events(b"{"),
        "no object": events(b"[]"),
        "deep": events(DEEP),
        "another index": events(piece("a", index=7)),
        "a negative index": events(piece("a", index=-1)),
        "an unknown end": events(piece("a", "because")),
        "a huge count": events(piece("a"), b'{"choices": [], "usage": {"prompt_tokens": 99999999999}}'),
        "half a surrogate": events(b'{"choices": [{"text": "\\ud800"}]}'),
        "not UTF-8": events(b'{"choices": [{"text": "\xff"}]}'),
        "another type": events(b'{"choices": [{"text": 7}]}'),
        "an error within": events(piece("a"), json.dumps({"error": {"message": SECRET}}).encode()),
        "no HTTP": b"hello\r\n\r\n",
        "nothing": b"",
    }.items(),
    ids=lambda item: item[0],
)
def test_an_answer_that_is_none_fails_and_the_next_is_answered(script: Script, load: Any, reply: Any) -> None:
    def hang_up(connection: Any) -> None:
        connection.sendall(reply[1])

    script.reply(COMPLETIONS, hang_up if isinstance(reply[1], bytes) else reply[1], GOOD)
    model = load()
    assert isinstance(error(run(model)), AvailabilityError)
    assert text(run(model)) == "ab"


def test_log_probabilities_that_are_none_fail(script: Script, load: Any) -> None:
    for value in ("NaN", "1e999", "3.0"):
        told = f'{{"tokens": ["a"], "token_logprobs": [{value}], "top_logprobs": null}}'
        event = f'{{"choices": [{{"text": "a", "finish_reason": "stop", "logprobs": {told}}}]}}'.encode()
        script.reply(COMPLETIONS, events(event))
        assert isinstance(error(run(load(), logprobs=0)), AvailabilityError)


def test_an_event_without_an_end_is_cut(script: Script, load: Any) -> None:
    script.reply(COMPLETIONS, script.endless(STREAM + b"data: ", b"x" * 65536))
    assert "too long" in error(run(load())).message
    assert script.hung_up.wait(10)


def test_an_answer_without_an_end_is_cut(script: Script, load: Any) -> None:
    script.reply(COMPLETIONS, script.endless(STREAM, b"data: " + piece("a" * 65536) + b"\n\n"))
    assert "too long" in error(run(load())).message
    assert script.hung_up.wait(10)


def test_an_answer_that_drips_ends_with_its_time(script: Script, load: Any) -> None:
    def drip(connection: Any) -> None:
        connection.sendall(STREAM)
        while not script.hung_up.wait(0.02):
            connection.sendall(b": still here\n")

    script.reply(COMPLETIONS, drip)
    assert "in time" in error(run(load(total_timeout_seconds=0.4))).message
    script.hung_up.set()


@pytest.mark.parametrize("head", [b"", STREAM], ids=["before the answer", "within it"])
def test_silence_ends_with_its_time(script: Script, load: Any, head: bytes) -> None:
    script.reply(COMPLETIONS, script.silent(head))
    assert "in time" in error(run(load(read_timeout_seconds=0.2))).message
    assert script.hung_up.wait(10)
    assert len(script.of(COMPLETIONS)) == 1, "the server may have begun"


def test_a_caller_who_goes_hangs_up(script: Script, load: Any) -> None:
    script.reply(COMPLETIONS, script.silent(STREAM + b"data: " + piece("a") + b"\n\n"))
    model = load()
    model.submit(GenerationRequest(1, prompt="p", max_tokens=9))
    assert text(model.deltas(10)) == "a"
    model.cancel(1)
    assert [delta.finish_reason for delta in model.deltas(10)] == [FinishReason.CANCELLED]
    assert script.hung_up.wait(10)


def test_a_server_that_fails_again_and_again_is_left_alone(script: Script, load: Any) -> None:
    script.reply(COMPLETIONS, http(500))
    model = load()
    for _ in range(5):
        error(run(model))
    started = time.monotonic()
    failure = error(run(model))
    assert "several times in a row" in failure.message
    assert time.monotonic() - started < 5
    assert len(script.of(COMPLETIONS)) == 5
