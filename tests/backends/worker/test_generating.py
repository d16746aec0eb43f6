"""A worker process with a model that generates: what it does with frames."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from panope.worker.v1 import generate_pb2 as messages
from panope.worker.v1 import worker_pb2 as wire
from panope.worker.v1.tokenize_pb2 import TokenSequence

Start = Callable[..., tuple[Any, Any]]


@pytest.fixture
def generating(start: Start, tmp_path: Path) -> Callable[..., Any]:
    """Starts a worker on the model that repeats its prompts, with four slots."""

    def started(backend: str = "panope_backends.testing:EchoTokenBackend") -> Any:
        folder = tmp_path / "echo"
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        worker, ready = start(backend, task="generate", folder=str(folder))
        assert ready.kind == "ready", ready.failure
        assert ready.ready.slots == 4
        return worker

    return started


def ask(worker: Any, *prompts: str, **fields: Any) -> int:
    fields = {"temperature": 0.0, "n": 1, "skip_special_tokens": True, "add_special_tokens": True, **fields}
    return int(worker.request("generate", messages.GenerateInput(prompts=prompts, **fields)))


def output_of(received: Any) -> messages.GenerateOutput:
    assert received.kind == "generate", received.failure
    return messages.GenerateOutput.FromString(received.output)


def whole(worker: Any, frame_id: int) -> str:
    """The text of an answer of one prompt, read to its end."""
    text = ""
    while True:
        received = worker.receive()
        if received.id == frame_id:
            text += "".join(delta.text for delta in output_of(received).deltas)
            if received.last:
                return text


def test_parts_of_one_step_come_in_one_frame(generating: Callable[..., Any]) -> None:
    worker = generating()
    first, second = ask(worker, "a" * 500, stream=True), ask(worker, "b" * 500, stream=True)
    for _ in range(20):
        worker.receive()
    data = b""
    sizes = set()
    while len(data) < 2000:
        data += worker.socket.recv(1 << 16)
    for message in worker._decoder.feed(data):
        sizes.add(len(wire.WorkerFrame.FromString(message).parts))
    assert 2 in sizes
    for frame_id in (first, second):
        worker.send(wire.ServerFrame(id=frame_id, cancel=wire.Cancel()))


def test_each_part_of_a_stream_tells_its_share_of_the_time_and_the_first_how_long_the_prompt_is(
    generating: Callable[..., Any],
) -> None:
    worker = generating()
    began = time.perf_counter()
    ids = [ask(worker, prompt_token_ids=[TokenSequence(ids=[97] * 200)], stream=True) for _ in range(2)]
    received: dict[int, list[Any]] = {frame_id: [] for frame_id in ids}
    while not all(parts and parts[-1].last for parts in received.values()):
        part = worker.receive()
        received[part.id].append(part)
    seconds = time.perf_counter() - began
    for parts in received.values():
        assert parts[0].device_microseconds > 0
        told = [output_of(part).prompt_tokens for part in parts]
        assert told == [200] + [0] * (len(parts) - 1)
    shares = sum(part.device_microseconds for parts in received.values() for part in parts)
    assert 0 < shares / 1e6 <= seconds


def test_more_sequences_than_slots_wait_for_them_in_turns(generating: Callable[..., Any]) -> None:
    worker = generating()
    frame_id = ask(worker, *(f"prompt {number}" for number in range(10)), n=2)
    received = worker.receive()
    assert (received.id, received.last) == (frame_id, True)
    output = output_of(received)
    assert [(each.prompt_index, each.index) for each in output.deltas] == [(p, i) for p in range(10) for i in (0, 1)]
    assert all(each.text == f"prompt {each.prompt_index}" for each in output.deltas)
    assert received.timing.batch_size == 4


def test_a_cancelled_request_frees_its_slots_and_says_no_more(generating: Callable[..., Any]) -> None:
    worker = generating()
    long = ask(worker, "x" * 1000, n=4, stream=True, ignore_eos=True)
    worker.receive()
    worker.send(wire.ServerFrame(id=long, cancel=wire.Cancel()))
    started = time.monotonic()
    short = ask(worker, "hello", n=4)
    received = worker.receive()
    while received.id == long:
        received = worker.receive()
    assert (received.id, [delta.text for delta in output_of(received).deltas]) == (short, ["hello"] * 4)
    assert time.monotonic() - started < 5


def test_a_paused_answer_goes_on_and_comes_merged(generating: Callable[..., Any]) -> None:
    worker = generating()
    slow = ask(worker, "y" * 2000, stream=True)
    worker.receive()
    worker.send(wire.ServerFrame(id=slow, flow=wire.Flow(paused=True)))
    quick = ask(worker, "quick")
    assert whole(worker, quick) == "quick"
    received = worker.receive()
    while not received.last:  # those that were on the way
        received = worker.receive()
    assert received.id == slow
    (delta,) = output_of(received).deltas
    assert len(delta.text) > 1000


def test_what_the_model_refuses_is_refused_by_name_and_others_go_on(
    generating: Callable[..., Any], message_of: Callable[[wire.Failure], str]
) -> None:
    worker = generating()
    for fields, field in (
        ({"top_k": 3}, "top_k"),
        ({"min_tokens": 2}, "min_tokens"),
        ({"n": 5}, "n"),
        ({"lookup_tokens": 4}, "lookup_tokens"),
        ({"grammar_kind": "json_object"}, "grammar"),
    ):
        ask(worker, "a", **fields)
        received = worker.receive()
        assert (received.kind, received.failure.field) == ("failure", field)
        assert field in message_of(received.failure) or field == "n"
    ask(worker, "a", conversation=messages.Conversation(messages_json=b"[]"))
    assert worker.receive().failure.reason == "no_chat_template"
    assert whole(worker, ask(worker, "still here")) == "still here"


def test_a_drained_worker_ends_what_it_has_and_takes_no_more(generating: Callable[..., Any]) -> None:
    worker = generating()
    frame_id = ask(worker, "z" * 300)
    worker.drain()
    late = ask(worker, "late")
    answers = {received.id: received for received in (worker.receive(), worker.receive())}
    assert answers[late].failure.reason == "overloaded"
    assert output_of(answers[frame_id]).deltas[0].text == "z" * 300
    assert worker.exit_code() == 0


def test_heartbeats_tell_the_step_that_runs_and_whose_it_is(generating: Callable[..., Any]) -> None:
    worker = generating("worker_doubles:StuckTokenBackend")
    frame_id = ask(worker, "stuck")
    beat = worker.wait_for_heartbeat()
    while beat.running_milliseconds < 100:
        beat = worker.wait_for_heartbeat()
    assert list(beat.busy_ids) == [frame_id]


def test_a_sequence_that_fails_ends_its_request_alone(generating: Callable[..., Any]) -> None:
    worker = generating("worker_doubles:FailingTokenBackend")
    failing, well = ask(worker, "fail", "fine"), ask(worker, "well")
    answers = {received.id: received for received in (worker.receive(), worker.receive())}
    assert (answers[failing].kind, answers[failing].failure.reason) == ("failure", "internal_error")
    assert output_of(answers[well]).deltas[0].text == "well"


def test_heartbeats_tell_what_is_generated_and_how_fast_its_tokens_come(generating: Callable[..., Any]) -> None:
    worker = generating()
    assert worker.wait_for_heartbeat().generation.running == 0
    long = ask(worker, "x" * 50, n=2, stream=True, ignore_eos=True)
    received = worker.receive()
    worker.send(wire.ServerFrame(id=long, flow=wire.Flow(paused=True)))
    worker.send(wire.ServerFrame(id=long, cancel=wire.Cancel()))
    short = ask(worker, "hello")
    while (received := worker.receive()).id != short:
        pass
    assert 0 < received.timing.first_token_microseconds <= received.timing.run_microseconds
    told = worker.wait_for_heartbeat().generation
    assert (told.running, told.blocks) == (0, 0)
    assert told.completion_tokens >= len("hello")
    assert sum(told.token_intervals) >= len("hello")
    assert told.token_interval_seconds > 0
