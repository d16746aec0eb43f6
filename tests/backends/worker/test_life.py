"""How a worker begins and ends."""

import os
import select
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from panope.worker.v1 import embed_pb2, tokenize_pb2
from panope.worker.v1 import worker_pb2 as wire
from panope_backends.wire.frames import MAX_FRAME_BYTES, encode_frame
from panope_backends.worker.program import EXIT_DEFECT, EXIT_DRAINED, EXIT_GARBAGE, EXIT_NOT_LOADED, EXIT_SERVER_GONE

Start = Callable[..., tuple]

CRASH = "panope_backends.testing:CrashBackend"
HANG = "panope_backends.testing:HangBackend"
GATE = "worker_doubles:GateBackend"


def test_drain_finishes_what_was_accepted_and_ends_well(start: Start, gates: Path) -> None:
    worker, _ = start(GATE)
    accepted = [worker.embed("stop"), worker.embed("w1"), worker.embed("w2 w3")]
    (gates / "stopped").read_text()
    worker.drain()
    late = worker.embed("w4")
    refused = worker.receive()
    assert (refused.id, refused.failure.reason) == (late, "overloaded")
    (gates / "go").write_text("\n")
    assert sorted(worker.receive().id for _ in accepted) == accepted
    with pytest.raises(EOFError):
        worker.receive()
    assert worker.exit_code() == EXIT_DRAINED


def test_an_idle_worker_drains_at_once(start: Start) -> None:
    worker, _ = start()
    worker.drain()
    assert worker.exit_code() == EXIT_DRAINED


def test_drain_does_not_wait_for_a_fuller_batch(start: Start) -> None:
    worker, _ = start(batch_wait_microseconds=600_000_000)
    worker.embed("w1")
    worker.drain()
    assert worker.receive().kind == "embed"
    assert worker.exit_code() == EXIT_DRAINED


@pytest.mark.parametrize("texts", [(), ("hang",)], ids=["idle", "in a batch that never ends"])
def test_the_end_of_the_socket_ends_the_worker(start: Start, texts: tuple[str, ...]) -> None:
    worker, _ = start(HANG)
    if texts:
        worker.embed(*texts)
        while not worker.wait_for_heartbeat().running_milliseconds:
            pass
    worker.socket.close()
    assert worker.exit_code() == EXIT_SERVER_GONE


def test_the_end_of_the_socket_ends_a_worker_that_is_still_loading(
    spawn: Callable, word_model: Path, gates: Path
) -> None:
    worker = spawn()
    worker.send(load_frame(word_model, backend="worker_doubles:SlowLoadBackend", cache_folder=str(gates)))
    (gates / "stopped").read_text()
    worker.socket.close()
    assert worker.exit_code() == EXIT_SERVER_GONE


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")
def test_no_worker_outlives_a_server_that_is_killed(word_model: Path) -> None:
    ours, theirs = socket.socketpair()
    ours.settimeout(60)
    with ours, theirs:
        fd = theirs.fileno()
        program = (
            "import subprocess, sys, time\n"
            f"command = [sys.executable, '-m', 'panope_backends.worker', '--fd', '{fd}']\n"
            f"print(subprocess.Popen(command, pass_fds=({fd},)).pid, flush=True)\n"
            "time.sleep(600)\n"
        )
        server = subprocess.Popen([sys.executable, "-c", program], pass_fds=(fd,), stdout=subprocess.PIPE)
        try:
            assert server.stdout is not None
            worker = os.pidfd_open(int(server.stdout.readline()))
            ours.sendall(encode_frame(load_frame(word_model)))
            assert ours.recv(1)
            # This end stays open, so it is the server's death that ends the worker and not the socket's end.
            server.kill()
            readable, _, _ = select.select([worker], [], [], 2.0)
            os.close(worker)
            assert readable, "the worker was still there after two seconds"
        finally:
            server.kill()
            server.communicate()


def test_ctrl_c_is_left_to_the_server(start: Start) -> None:
    worker, _ = start()
    worker.process.send_signal(signal.SIGINT)
    worker.embed("w1")
    assert worker.receive().kind == "embed"


def test_a_fault_in_native_code_ends_the_worker_with_its_signal(start: Start) -> None:
    worker, _ = start(CRASH)
    worker.embed("w1", "crash")
    with pytest.raises(EOFError):
        worker.receive()
    assert worker.exit_code() == -signal.SIGKILL


def test_a_model_that_asks_to_exit_is_a_fault_and_not_a_good_end(start: Start) -> None:
    worker, _ = start("worker_doubles:UnrulyBackend")
    worker.embed("boom")
    assert worker.exit_code() == EXIT_DEFECT
    assert worker.log_lines("device_failed")


def test_heartbeats_tell_memory_and_how_long_a_batch_has_been_running(start: Start) -> None:
    worker, _ = start(HANG, max_batch_size=1)
    idle = worker.wait_for_heartbeat()
    assert idle.resident_bytes > 10_000_000
    assert (idle.running_milliseconds, idle.waiting) == (0, 0)
    worker.embed("hang", "w1", "w2")
    first, second = worker.wait_for_heartbeat(), worker.wait_for_heartbeat()
    assert first.running_milliseconds < second.running_milliseconds
    assert second.waiting == 2


def test_heartbeats_tell_what_is_held_of_the_devices_own_memory_and_go_on_when_nobody_tells_it(start: Start) -> None:
    worker, _ = start("worker_doubles:HoldingBackend")
    told = [worker.wait_for_heartbeat().device_memory_bytes for _ in range(4)]
    assert told[-4:] in (
        [1_000_000, 2_000_000, 0, 0],
        [0, 1_000_000, 2_000_000, 0],
    )  # the first may come before it loads
    worker.embed("w1")
    assert worker.receive().kind == "embed"
    assert len(worker.log_lines("device_memory_unknown")) <= 1


def test_heartbeats_tell_which_requests_are_run(start: Start) -> None:
    worker, _ = start(HANG, max_batch_size=2)
    hanging = worker.embed("hang")
    while not (beat := worker.wait_for_heartbeat()).running_milliseconds:
        pass
    worker.embed("w1")
    assert list(beat.busy_ids) == [hanging]
    assert list(worker.wait_for_heartbeat().busy_ids) == [hanging]


def test_heartbeats_tell_how_long_tokens_of_which_request_have_been_made(start: Start, thorny_model: Path) -> None:
    worker, _ = start(folder=str(thorny_model))
    stuck = worker.embed("a" * 30)
    while not (first := worker.wait_for_heartbeat()).preparing_milliseconds:
        pass
    second = worker.wait_for_heartbeat()
    assert first.preparing_milliseconds < second.preparing_milliseconds
    assert (list(second.busy_ids), second.running_milliseconds) == ([stuck], 0)


@pytest.mark.parametrize("kind", ["embed", "tokenize"])
def test_a_tokenizer_that_panics_fails_its_call_and_not_the_worker(
    start: Start, thorny_model: Path, message_of: Callable[[wire.Failure], str], kind: str
) -> None:
    worker, _ = start(folder=str(thorny_model))
    thorns = ["w1", "a" * 40]
    work = {
        "embed": embed_pb2.EmbedInput(texts=thorns, truncation="refuse"),
        "tokenize": tokenize_pb2.TokenizeInput(texts=thorns),
    }
    failed = worker.ask(kind, work[kind])
    assert failed.failure.reason == "internal_error"
    assert message_of(failed.failure) == "the request could not be prepared"
    worker.embed("w1")
    assert worker.receive().kind == "embed"
    assert worker.log_lines("request_prepare_failed")


def test_an_aborted_worker_leaves_its_stacks_in_the_log(start: Start) -> None:
    worker, _ = start(HANG)
    worker.embed("hang")
    while not worker.wait_for_heartbeat().running_milliseconds:
        pass
    worker.process.send_signal(signal.SIGABRT)
    assert worker.exit_code() == -signal.SIGABRT
    assert "in _run_batch" in worker.log()


@pytest.mark.parametrize(
    "garbage",
    [struct.pack("<I", MAX_FRAME_BYTES + 1), struct.pack("<I", 3) + b"\xff\xff\xff"],
    ids=["an oversized frame", "no protobuf"],
)
@pytest.mark.parametrize("loaded", [False, True], ids=["first", "later"])
def test_garbage_ends_the_worker_as_a_fault(spawn: Callable, start: Start, garbage: bytes, loaded: bool) -> None:
    worker = start()[0] if loaded else spawn()
    worker.socket.sendall(garbage)
    assert worker.exit_code() == EXIT_GARBAGE
    assert worker.log_lines("server_sent_garbage")


def test_a_first_frame_that_is_not_load_is_a_fault(spawn: Callable) -> None:
    worker = spawn()
    worker.embed("w1")
    assert worker.exit_code() == EXIT_GARBAGE


@pytest.mark.parametrize("frame", [wire.ServerFrame(id=1), wire.ServerFrame(load=wire.Load())], ids=["empty", "load"])
def test_a_frame_without_meaning_is_a_fault(start: Start, frame: wire.ServerFrame) -> None:
    worker, _ = start()
    worker.send(frame)
    assert worker.exit_code() == EXIT_GARBAGE


@pytest.mark.parametrize(
    ("fields", "reason", "message"),
    [
        ({"backend": "nobody"}, "failed_precondition", "there is no backend `nobody`"),
        ({"backend": "worker_doubles:NeedyBackend"}, "failed_precondition", "needs a package that is not installed"),
        (
            {"backend": "panope_backends.testing:ChecksumBackend"},
            "failed_precondition",
            "to generate tokens, and its task is `embed`",
        ),
        (
            {"backend": "panope_backends.testing:ChecksumBackend", "task": ""},
            "failed_precondition",
            "to generate tokens, and its task is `tensors`",
        ),
        ({"backend": "worker_doubles:ClumsyBackend"}, "internal_error", "failed to load `test-words`"),
        ({"backend": "worker_doubles:BrokenBackend"}, "internal_error", "trial run"),
        ({"task": "paint"}, "failed_precondition", "does not do the task `paint`"),
        ({"folder": "/nowhere"}, "failed_precondition", "the model has no config.json"),
        ({"precision": "fp3"}, "failed_precondition", "fp3"),
    ],
)
def test_a_model_that_cannot_be_loaded_is_told_and_ends_the_worker(
    start: Start, message_of: Callable[[wire.Failure], str], fields: dict[str, str], reason: str, message: str
) -> None:
    worker, answer = start(**{"model": "test-words", **fields})
    assert answer.id == 0
    assert answer.failure.reason == reason
    told = message_of(answer.failure)
    assert message in told
    assert "/" not in told, "a path"
    assert "of the engine" not in told
    assert worker.exit_code() == EXIT_NOT_LOADED


def test_the_program_explains_itself_to_people() -> None:
    ran = subprocess.run([sys.executable, "-m", "panope_backends.worker"], capture_output=True, check=False)
    assert ran.returncode == 1
    assert b"usage: python -m panope_backends.worker --fd NUMBER" in ran.stderr


def test_a_worker_makes_way_for_others_on_the_processor_where_it_is_told(spawn: Callable[..., Any]) -> None:
    worker = spawn("--background")
    worker.send(load_frame(Path("nowhere")))
    assert worker.receive().kind == "failure"
    assert os.getpriority(os.PRIO_PROCESS, os.getpid()) == 0
    # What has ended still has its priority until it is waited for.
    assert os.getpriority(os.PRIO_PROCESS, worker.process.pid) == 19
    if hasattr(os, "sched_getscheduler"):
        assert os.sched_getscheduler(worker.process.pid) == os.SCHED_IDLE


def load_frame(folder: Path, **fields: str) -> wire.ServerFrame:
    load = wire.Load(
        model="test/words",
        task="embed",
        backend="panope_backends.testing:EchoBackend",
        device="CPU",
        format="safetensors",
        folder=str(folder),
        max_batch_tokens=4096,
        max_batch_size=32,
    )
    load.MergeFrom(wire.Load(**fields))  # type: ignore[arg-type] # any field
    return wire.ServerFrame(load=load)
