import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panope.worker.v1 import worker_pb2 as wire
from panope_backends.wire.frames import FrameDecoder, FrameError, encode_frame


def frame(request_id: str) -> wire.ServerFrame:
    return wire.ServerFrame(id=7, request_id=request_id)


@given(st.lists(st.text(max_size=40), max_size=8), st.integers(min_value=1, max_value=64))
def test_frames_survive_any_cut_of_the_stream(ids: list[str], piece: int) -> None:
    stream = b"".join(encode_frame(frame(request_id)) for request_id in ids)
    decoder = FrameDecoder()
    messages = [
        message for start in range(0, len(stream), piece) for message in decoder.feed(stream[start : start + piece])
    ]
    assert [wire.ServerFrame.FromString(message).request_id for message in messages] == ids
    assert decoder.pending_bytes == 0


def test_half_a_frame_gives_nothing_and_is_told() -> None:
    decoder = FrameDecoder()
    data = encode_frame(frame("a"))
    assert decoder.feed(data[:-1]) == []
    assert decoder.pending_bytes == len(data) - 1


def test_an_empty_message_is_a_frame() -> None:
    assert FrameDecoder().feed(encode_frame(wire.ServerFrame())) == [b""]


def test_a_length_beyond_the_limit_is_refused_with_both_numbers() -> None:
    decoder = FrameDecoder(max_frame_bytes=1000)
    with pytest.raises(FrameError, match="a frame of 1,001 bytes; the limit is 1,000"):
        decoder.feed(struct.pack("<I", 1001))


def test_a_message_beyond_the_limit_is_not_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panope_backends.wire.frames.MAX_FRAME_BYTES", 10)
    with pytest.raises(FrameError, match="the limit is 10"):
        encode_frame(frame("longer than ten"))
