"""Files of Matroska whose headers would take many times their bytes are refused before FFmpeg keeps any."""

from __future__ import annotations

import pytest
from tests.backends.tasks.frame_interpolation.videos import lossless, moving

from panope_backends.errors import InvalidInputError
from panope_backends.media.audio import decode_audio
from panope_backends.media.limits import MediaLimits
from panope_backends.media.matroska_headers import (
    MAX_ATTACHMENTS,
    MAX_ELEMENTS,
    MAX_HEADER_BYTES,
    MAX_TRACKS,
    refuse_large_headers,
)
from panope_backends.media.video_reader import VideoReader

SEGMENT, CLUSTER, TRACKS, ATTACHMENTS, CUES, TAGS, CHAPTERS = (
    bytes.fromhex(each) for each in ("18538067", "1f43b675", "1654ae6b", "1941a469", "1c53bb6b", "1254c367", "1043a770")
)
TRACK, ATTACHMENT, POINT, TAG = b"\xae", b"\x61\xa7", b"\xbb", b"\x73\x73"
UNKNOWN = b"\x01" + b"\xff" * 7
START = b"\x1aE\xdf\xa3\x80"


def element(kind: bytes, content: bytes) -> bytes:
    return kind + (len(content) | 1 << 56).to_bytes(8, "big") + content


MANY_POINTS = element(CUES, (POINT + b"\x80") * (MAX_HEADER_BYTES // 2 + 1))
HALF = element(TAGS, (TAG + b"\x80") * (MAX_HEADER_BYTES // 6 + 1))


@pytest.mark.parametrize(
    ("segment", "words"),
    [
        (element(SEGMENT, MANY_POINTS), "bytes of headers"),
        (SEGMENT + UNKNOWN + HALF + HALF, "bytes of headers"),
        (element(SEGMENT, HALF) + element(SEGMENT, HALF), "bytes of headers"),
        (element(SEGMENT, element(CLUSTER, b"\xe7\x81\0") + MANY_POINTS), "bytes of headers"),
        (element(SEGMENT, CLUSTER + UNKNOWN + b"\xe7\x81\0" + MANY_POINTS), "bytes of headers"),
        (element(SEGMENT, b"\0\0garbage\0" + MANY_POINTS), "bytes of headers"),
        (element(SEGMENT, element(TRACKS, (TRACK + b"\x80") * (MAX_TRACKS + 1))), "more than 100 tracks"),
        (element(SEGMENT, element(TRACKS, (TRACK + b"\x80") * 60) * 2), "more than 100 tracks"),
        (element(SEGMENT, element(ATTACHMENTS, b"\0" + MANY_POINTS)), "bytes of headers"),
        (element(SEGMENT, b"\xec\x80" * (MAX_ELEMENTS + 1)), "200,000 elements"),
        (element(SEGMENT, element(ATTACHMENTS, (ATTACHMENT + b"\x80") * (MAX_ATTACHMENTS + 1))), "1,000 attachments"),
    ],
)
def test_headers_out_of_proportion_are_refused_wherever_they_are(segment: bytes, words: str) -> None:
    file = START + segment
    for read in (
        lambda: VideoReader(file, MediaLimits(), "clip"),
        lambda: decode_audio(file, 16_000, MediaLimits(), "clip"),
    ):
        with pytest.raises(InvalidInputError, match=words) as refused:
            read()
        assert refused.value.field == "clip"


def test_what_is_in_clusters_and_the_content_of_attachments_is_no_header() -> None:
    frame = element(b"\xa3", (CUES + UNKNOWN) * (MAX_HEADER_BYTES // 8))
    font = element(ATTACHMENT, element(b"\x46\x5c", bytes(MAX_HEADER_BYTES + 1)))
    refuse_large_headers(START + element(SEGMENT, element(CLUSTER, frame) + element(ATTACHMENTS, font)), "clip")
    written = lossless(moving(4))
    assert written.startswith(START[:4]), "and so is what FFmpeg writes"
    refuse_large_headers(written, "clip")


@pytest.mark.parametrize("end", range(0, 60, 7))
def test_what_is_cut_is_left_to_ffmpeg(end: int) -> None:
    refuse_large_headers((START + element(SEGMENT, element(CUES, bytes(20))))[:end], "clip")
