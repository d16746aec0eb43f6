"""Images from strangers: read as transformers reads them, refused by name, never larger than the limits say."""

import base64
import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageOps

from panope_backends.errors import InvalidInputError
from panope_backends.media.data_urls import read_data_url
from panope_backends.media.images import decode_image
from panope_backends.media.limits import MediaLimits

FIELD = "images[0]"
LIMITS = MediaLimits(max_image_bytes=1 << 20, max_image_pixels=1_000_000)

Changed = Callable[[bytes], bytes]


def image(mode: str = "RGB", size: tuple[int, int] = (24, 16)) -> Image.Image:
    """Colours that differ in each corner."""
    width, height = size
    across, down = np.meshgrid(np.linspace(0, 250, width), np.linspace(0, 250, height))
    colours = np.stack([across, down, (across + down) / 2], axis=2).astype(np.uint8)
    return Image.fromarray(colours).convert(mode)


def encoded(image: Image.Image, name: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


def as_library_reads(data: bytes) -> np.ndarray:
    """As transformers' `load_image` has it."""
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_bomb(width: int, height: int) -> bytes:
    """One colour, packed twice as tightly as any image is."""
    rows = zlib.compress(bytes((width // 8 + 1) * height), 9)
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = (png_chunk(b"IHDR", header), png_chunk(b"IDAT", rows), png_chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        *(("RGB", name) for name in ("PNG", "JPEG", "WEBP", "BMP", "TIFF")),
        *(("P", "GIF"), ("L", "PNG"), ("1", "PNG"), ("LA", "PNG"), ("RGBA", "PNG"), ("P", "PNG")),
        *(("CMYK", "JPEG"), ("CMYK", "TIFF"), ("I;16", "PNG"), ("RGBA", "WEBP")),
    ],
)
def test_an_image_is_what_the_library_reads(mode: str, name: str) -> None:
    sent = image("L").convert("I").convert("I;16") if mode == "I;16" else image(mode)
    data = encoded(sent, name)
    found = decode_image(data, FIELD, LIMITS)
    assert found.mode == "RGB"
    assert np.array_equal(np.asarray(found), as_library_reads(data))


def test_of_an_animation_the_first_frame_counts() -> None:
    data = encoded(image("P"), "GIF", save_all=True, append_images=[Image.new("P", (24, 16))] * 3)
    assert np.array_equal(np.asarray(decode_image(data, FIELD, LIMITS)), as_library_reads(data))


def test_an_image_is_turned_as_its_exif_block_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(image(), "JPEG", exif=exif)
    found = decode_image(data, FIELD, LIMITS)
    assert found.size == (16, 24)
    assert np.array_equal(np.asarray(found), as_library_reads(data))


def test_an_image_with_a_broken_exif_block_is_an_image() -> None:
    block = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\xff\xff\xff\xff\xff\xff\xff\xff"
    data = encoded(image(), "JPEG")
    broken = data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:]
    assert decode_image(broken, FIELD, LIMITS).size == (24, 16)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        (b"<?xml version='1.0'?><!-- a --><svg/>", "an SVG drawing"),
        (b"%PDF-1.7\n", "a PDF file"),
        (b"PK\x03\x04" + bytes(40), "a ZIP archive"),
        (b"\0\0\0\x18ftypheic" + bytes(16), "HEIC"),
        (b"\0\0\0\x18ftypmp42" + bytes(16), "a video"),
        (b'{"error": "no such file"}', "a text"),
        (b"<!doctype html><html>", "a text"),
        (bytes(64), "of no known format"),
    ],
)
def test_what_is_no_image_is_refused_by_name(data: bytes, named: str) -> None:
    with pytest.raises(InvalidInputError, match=named) as error:
        decode_image(data, FIELD, LIMITS)
    assert error.value.field == FIELD


def test_a_bomb_is_refused_by_its_header() -> None:
    data = png_bomb(13_000, 13_000)
    assert len(data) < 32_000
    with pytest.raises(InvalidInputError, match="169,000,000 in all; the limit is 1,000,000"):
        decode_image(data, FIELD, LIMITS)


@pytest.mark.parametrize("size", [(1, 100_000), (100_000, 1)])
def test_a_strip_is_refused_before_a_model_would_blow_it_up(size: tuple[int, int]) -> None:
    with pytest.raises(InvalidInputError, match="one side may be 200 times the other"):
        decode_image(png_bomb(*size), FIELD, LIMITS)


@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_a_truncated_file_is_refused(name: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    data = encoded(Image.fromarray(noise), name)
    for part in (0.1, 0.5, 0.9):
        with pytest.raises(InvalidInputError, match=f"is a {name} file that is truncated or broken"):
            decode_image(data[: int(len(data) * part)], FIELD, LIMITS)


@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_garbage_behind_a_right_beginning_is_refused_or_read(name: str) -> None:
    noise = np.random.default_rng(1)
    data = bytearray(encoded(image(), name))
    for _ in range(300):
        broken = bytearray(data)
        for at in noise.integers(8, len(data), 4):
            broken[at] = noise.integers(256)
        try:
            found = decode_image(bytes(broken), FIELD, LIMITS)
        except InvalidInputError:
            continue
        assert found.size[0] * found.size[1] <= LIMITS.max_image_pixels


def test_an_empty_file_and_a_long_one_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="is empty"):
        decode_image(b"", FIELD, LIMITS)
    with pytest.raises(InvalidInputError, match="the limit is 1,048,576"):
        decode_image(bytes(1 << 20) + b"1", FIELD, LIMITS)


def url(data: bytes, head: str = "data:image/png;base64,") -> str:
    return head + base64.b64encode(data).decode()


@pytest.mark.parametrize(
    "head", ["data:image/png;base64,", "data:;base64,", "DATA:image/svg+xml;charset=utf-8;BASE64,"]
)
def test_a_data_url_holds_its_bytes(head: str) -> None:
    assert read_data_url(url(b"abc", head), FIELD, 3) == b"abc"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("data:image/png,abc", "is no URL of the form"),
        ("http://example.org/a.png", "is no URL of the form"),
        ("data:image/png;base64,ab", "not base64"),
        ("data:image/png;base64,YWJj\nYWJj", "not base64"),
        ("data:image/png;base64,YW Jj", "not base64"),
        ("data:image/png;base64,YWJjé", "not base64"),
        (url(bytes(64)), "has 66 bytes; the limit is 32"),
    ],
)
def test_what_is_no_data_url_is_refused(text: str, why: str) -> None:
    with pytest.raises(InvalidInputError, match=why):
        read_data_url(text, FIELD, 32)
