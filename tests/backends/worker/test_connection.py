import socket
import threading
from collections.abc import Iterator

import pytest

from panope.worker.v1 import worker_pb2 as wire
from panope_backends.errors import InvalidInputError
from panope_backends.wire.frames import FrameDecoder
from panope_backends.worker import connection
from panope_backends.worker.connection import Outbox

BIG = b"x" * (1 << 20)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    theirs.settimeout(30)
    with ours, theirs:
        yield ours, theirs
        ours.shutdown(socket.SHUT_RDWR)  # ends the outbox's own thread


def answer(frame_id: int, data: bytes = b"") -> wire.WorkerFrame:
    return wire.WorkerFrame(parts=[wire.Part(id=frame_id, output=data, last=True)])


def read(end: socket.socket, count: int) -> list[wire.WorkerFrame]:
    decoder = FrameDecoder()
    frames: list[bytes] = []
    while len(frames) < count:
        frames += decoder.feed(end.recv(1 << 16))
    return [wire.WorkerFrame.FromString(frame) for frame in frames]


def test_nobody_waits_for_a_server_that_does_not_read_and_frames_arrive_whole_and_in_order(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    outbox = Outbox(ends[0])
    for number in range(8):
        outbox.send(answer(number, BIG))
    assert not outbox.is_clear
    frames = read(ends[1], 8)
    assert [frame.parts[0].id for frame in frames] == list(range(8))
    assert all(frame.parts[0].output == BIG for frame in frames)
    outbox.flush()
    assert outbox.is_clear


def test_callers_that_can_wait_do_so_when_too_much_is_kept(
    ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "MAX_PENDING_BYTES", 1 << 20)
    outbox = Outbox(ends[0])
    for number in range(3):
        outbox.send(answer(number, BIG))
    sender = threading.Thread(target=outbox.send, args=(answer(3),), kwargs={"wait": True})
    sender.start()
    sender.join(timeout=0.2)
    assert sender.is_alive()
    outbox.send(answer(4))  # does not ask to wait
    assert [frame.parts[0].id for frame in read(ends[1], 5)] == [0, 1, 2, 4, 3]
    sender.join(timeout=30)
    assert not sender.is_alive()


def test_callers_that_wait_are_let_go_when_the_server_has_gone(
    ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "MAX_PENDING_BYTES", 0)
    outbox = Outbox(ends[0])
    outbox.send(answer(0, BIG))
    sender = threading.Thread(target=outbox.send, args=(answer(1),), kwargs={"wait": True})
    sender.start()
    ends[1].close()
    sender.join(timeout=30)
    assert not sender.is_alive()
    outbox.send(answer(2))
    outbox.flush()


def test_frames_of_many_threads_do_not_mix(ends: tuple[socket.socket, socket.socket]) -> None:
    outbox = Outbox(ends[0])
    senders = [
        threading.Thread(target=outbox.send, args=(answer(number, bytes([number]) * 50_000),)) for number in range(32)
    ]
    for sender in senders:
        sender.start()
    frames = read(ends[1], 32)
    assert all(frame.parts[0].output == bytes([frame.parts[0].id]) * 50_000 for frame in frames)
    assert sorted(frame.parts[0].id for frame in frames) == list(range(32))


def test_an_answer_that_is_too_long_is_refused_with_both_numbers(
    ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panope_backends.wire.frames.MAX_FRAME_BYTES", 1000)
    with pytest.raises(InvalidInputError, match=r"a frame of 1,048,58[0-9] bytes; the limit is 1,000"):
        Outbox(ends[0]).send(answer(1, BIG))
