"""Pages of PDF files: how they look, what they say, which are refused, and that none harms whoever reads it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tests.pdf_files import form_of_itself, image_pdf, long_path, nested_forms, text_pdf

from panope_backends.errors import InvalidInputError
from panope_backends.media.limits import MediaLimits
from panope_backends.media.pdf import reader as pdf
from panope_backends.media.pdf import text_layer
from panope_backends.media.pdf.file import PdfFile
from panope_backends.media.pdf.messages import LaidPage, ReadPage
from panope_backends.media.pdf.reader import PageImage, PdfReader
from panope_backends.media.pdf.text_layer import LaidLine, LaidText

LIMITS = MediaLimits()
FIELD = "document.content"


@pytest.fixture(scope="module")
def reader() -> Iterator[PdfReader]:
    made = PdfReader(LIMITS)
    yield made
    made.close()


def drawn(reader: PdfReader, data: bytes, index: int = 0, dpi: int = 72) -> Image.Image:
    page = reader.open(data, FIELD).page(index, dpi, text_layer=False)
    assert isinstance(page, PageImage)
    return Image.fromarray(page.pixels)


def lines(reader: PdfReader, data: bytes, dpi: int = 72) -> list[LaidLine]:
    page = reader.open(data, FIELD).page(0, dpi, text_layer=True)
    return page.lines if isinstance(page, LaidPage) else []


def test_pages_are_drawn_at_the_resolution_asked_for(reader: PdfReader) -> None:
    image = Image.new("RGB", (61, 40), "red")
    image.paste("blue", (0, 0, 30, 40))
    data = image_pdf(image, Image.new("RGB", (10, 90), "white"))
    assert reader.open(data, FIELD).page_count() == 2
    made = drawn(reader, data)
    assert (made.mode, made.size) == ("RGB", (61, 40))
    assert [made.getpixel((10, 20)), made.getpixel((50, 20))] == [
        pytest.approx((0, 0, 255), abs=8),
        pytest.approx((255, 0, 0), abs=8),
    ]
    assert drawn(reader, data, 1, 144).size == (20, 180)


def ends(text: LaidText) -> tuple[tuple[float, float], tuple[float, float]]:
    """Where it begins and ends, on its upper edge."""
    return text.corners[0], text.corners[1]


@pytest.mark.parametrize(("rotate", "along"), [(0, (1, 0)), (90, (0, 1)), (180, (-1, 0)), (270, (0, -1))])
def test_the_text_of_a_page_has_the_places_where_it_is_drawn(
    reader: PdfReader, rotate: int, along: tuple[int, int]
) -> None:
    data = text_pdf(["Two words", "below"], rotate=rotate)
    told = sorted(lines(reader, data, 144), key=lambda line: line.whole.text)
    assert [(line.whole.text, [word.text for word in line.words]) for line in told] == [
        ("Two words", ["Two", "words"]),
        ("below", ["below"]),
    ]
    begin, end = np.array(ends(told[0].whole))
    assert (end - begin) / np.linalg.norm(end - begin) == pytest.approx(along, abs=0.01)
    ink = 255 - np.asarray(drawn(reader, data, dpi=144).convert("L"))
    for line in told:
        inside = np.zeros(ink.shape, bool)
        corners = np.array(line.whole.corners)
        (left, top), (right, bottom) = corners.min(axis=0).astype(int) - 2, corners.max(axis=0).astype(int) + 3
        inside[top:bottom, left:right] = True
        assert ink[inside].any()
        ink = np.where(inside, 0, ink)
    assert not ink.any()


def test_a_page_that_is_an_image_says_nothing(reader: PdfReader) -> None:
    assert lines(reader, image_pdf(Image.new("RGB", (9, 9)))) == []


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "`document.content` is no PDF file"),
        (b"\x89PNG\r\n", "`document.content` is no PDF file"),
        (b"%PDF-1.7\nnothing more", "`document.content` is a PDF file that is truncated or broken"),
        (
            text_pdf(["secret"], password="opensesame"),
            "`document.content` is encrypted; send a file that opens without",
        ),
        (text_pdf(), "`document.content` is a PDF file that is truncated or broken"),
    ],
)
def test_what_cannot_be_opened_is_refused_by_name(reader: PdfReader, data: bytes, words: str) -> None:
    with pytest.raises(InvalidInputError, match=re.escape(words)) as caught:
        reader.open(data, FIELD).page_count()
    assert caught.value.field == FIELD


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ((12_000, 12_000), "has 12,000 × 12,000 pixels"),
        ((12_000, 12), "has 12,000 × 12 pixels; one side may be 200 times the other"),
        ((2_147_483_647, 5), "pixels"),
        ((1e9, 1e9), "pixels"),
    ],
)
def test_a_page_that_is_too_large_is_refused_whether_it_is_drawn_or_its_text_is_told(
    reader: PdfReader, size: tuple[float, float], words: str
) -> None:
    for read in (drawn, lines):
        with pytest.raises(InvalidInputError, match=words) as caught:
            read(reader, text_pdf(["a"], size=size))
        assert caught.value.field == "document.content.pages[0]"


@pytest.mark.parametrize(
    ("name", "told", "words"),
    [
        ("MAX_CHARACTERS", ["four"], "has 4 characters; the limit is 3"),
        ("MAX_LINES", ["one line", "and two", "and three", "and four"], "has more than 3 lines of text"),
    ],
)
def test_a_page_of_too_much_text_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, told: list[str], words: str
) -> None:
    monkeypatch.setattr(text_layer, name, 3)
    file = PdfFile(text_pdf(told), FIELD)
    with pytest.raises(InvalidInputError, match=rf"`document\.content\.pages\[0\]` {words}"):
        file.read(ReadPage(0, 72, text_layer=True, max_pixels=1 << 20, seconds=1))
    file.close()


def test_several_threads_draw_what_each_of_them_asks_for(reader: PdfReader) -> None:
    data = text_pdf(*[[f"page {number}"] for number in range(4)])
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda index: drawn(reader, data, index % 4).tobytes(), range(16)))
    assert made[:4] * 4 == made
    assert len(set(made)) == 4


@pytest.mark.parametrize(
    ("bomb", "words"),
    [
        (form_of_itself, r"is not read within"),
        (nested_forms, r"is not read within"),
        (long_path, r"is not read within"),
    ],
)
def test_a_page_that_takes_too_much_is_refused_and_the_next_one_is_read(
    monkeypatch: pytest.MonkeyPatch, bomb: Callable[[], bytes], words: str
) -> None:
    monkeypatch.setattr(pdf, "_MEMORY_BYTES", 64 << 20)
    limited = PdfReader(replace(LIMITS, max_page_seconds=0.5, max_image_pixels=1_000_000, max_document_bytes=4 << 20))
    with pytest.raises(InvalidInputError, match=rf"`document\.content\.pages\[0\]` {words}") as caught:
        drawn(limited, bomb())
    assert "0.5 seconds" in str(caught.value) or "bytes of memory" in str(caught.value)
    assert drawn(limited, text_pdf(["after it"])).size == (300, 200)
    limited.close()


def test_a_document_that_is_closed_ends_what_reads_it() -> None:
    slow = PdfReader(replace(LIMITS, max_page_seconds=60))
    document = slow.open(nested_forms(), FIELD)
    assert document.page_count() == 1
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(document.page, 0, 72, text_layer=False)
        closer = threading.Timer(0.2, document.close)  # whenever it comes, it ends the reading
        closer.start()
        with pytest.raises(InvalidInputError):
            reading.result(30)
    with pytest.raises(InvalidInputError, match="is not read any more"):
        document.page(0, 72, text_layer=False)
    assert drawn(slow, text_pdf(["after it"])).size == (300, 200)
    slow.close()
