"""Files among samples: a stream takes samples without a header, so what begins as a file would be heard as noise."""

from __future__ import annotations

#: What files begin with, where four bytes or more tell: samples are never these, but once in billions.
_MARKS = (
    (b"fLaC", "FLAC"),
    (b"OggS", "Ogg"),
    (b"\x1aE\xdf\xa3", "WebM"),
    (b"FORM", "AIFF"),
    (b"caff", "CAF"),
    (b"#!AMR", "AMR"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF8", "GIF"),
    (b"%PDF", "PDF"),
    (b"PK\x03\x04", "ZIP"),
    (b"\x1f\x8b\x08\x00", "gzip"),
    (b"\xff\xd8\xff\xe0", "JPEG"),
    (b"\xff\xd8\xff\xe1", "JPEG"),
)

#: Kilobits in a second of MPEG 1 and of MPEG 2, layer 3, and samples in a second of MPEG 1.
_BITRATES = (
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
_RATES = (44_100, 48_000, 32_000)


def file_kind(piece: bytes, *, is_first: bool) -> str:
    """The kind of file that a piece of a stream begins as; empty for none.

    Args:
        piece: of the stream.
        is_first: whether nothing came before: frames of MP3 and AAC, whose two bytes at the start samples may well be,
            are looked for there alone, and two of them in a row.
    """
    if piece[:4] in (b"RIFF", b"RF64") and piece[8:12] in (b"WAVE", b"AVI ", b"WEBP"):
        return "WAV" if piece[8:12] == b"WAVE" else "RIFF"
    if piece[4:8] == b"ftyp":
        return "MP4"
    if piece[:3] == b"ID3" and piece[3:4] in (b"\x02", b"\x03", b"\x04") and piece[4:5] == b"\0":
        return "MP3"
    found = next((kind for mark, kind in _MARKS if piece.startswith(mark)), "")
    return found or (_frames(piece) if is_first else "")


def _frames(piece: bytes) -> str:
    """Frames of audio without a header before them."""
    for kind, size in (("MP3", _mp3_bytes(piece)), ("AAC", _aac_bytes(piece))):
        if size and piece[size : size + 2] == piece[:2]:
            return kind
    return ""


def _mp3_bytes(piece: bytes) -> int:
    """Of the first frame of layer 3; 0 for none (ISO 11172-3, 2.4.1.3)."""
    if len(piece) < 4 or piece[0] != 0xFF or piece[1] & 0xE6 != 0xE2:
        return 0
    version, bitrate, rate = piece[1] >> 3 & 3, piece[2] >> 4, piece[2] >> 2 & 3
    if version == 1 or not 0 < bitrate < 15 or rate == 3:
        return 0
    halvings = {3: 0, 2: 1, 0: 2}[version]  # MPEG 1, 2 and 2.5
    per_second = 1000 * _BITRATES[halvings > 0][bitrate]
    return (72 if halvings else 144) * per_second // (_RATES[rate] >> halvings) + (piece[2] >> 1 & 1)


def _aac_bytes(piece: bytes) -> int:
    """Of the first frame in ADTS; 0 for none (ISO 13818-7, 6.2)."""
    if len(piece) < 7 or piece[0] != 0xFF or piece[1] & 0xF6 != 0xF0:
        return 0
    size = (piece[3] & 3) << 11 | piece[4] << 3 | piece[5] >> 5
    return size if size > 7 else 0
