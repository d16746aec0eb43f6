"""Pages of PDF files: how they look, what they say, and which are refused."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from tests.pdf_files import image_pdf, text_pdf

from panope_backends.errors import InvalidInputError
from panope_backends.media import pdf
from panope_backends.media.limits import MediaLimits
from panope_backends.media.pdf import LaidText, draw_page, page_count, text_of_page

LIMITS = MediaLimits()


def test_pages_are_drawn_at_the_resolution_asked_for() -> None:
    image = Image.new("RGB", (60, 40), "red")
    image.paste("blue", (0, 0, 30, 40))
    data = image_pdf(image, Image.new("RGB", (10, 90), "white"))
    assert page_count(data, "document") == 2
    drawn = draw_page(data, 0, 72, "document", LIMITS)
    assert (drawn.mode, drawn.size) == ("RGB", (60, 40))
    assert [drawn.getpixel((10, 20)), drawn.getpixel((50, 20))] == [
        pytest.approx((0, 0, 255), abs=8),
        pytest.approx((255, 0, 0), abs=8),
    ]
    assert draw_page(data, 1, 144, "document", LIMITS).size == (20, 180)


def ends(text: LaidText) -> tuple[tuple[float, float], tuple[float, float]]:
    """Where it begins and ends, on its upper edge."""
    return text.corners[0], text.corners[1]


@pytest.mark.parametrize(("rotate", "along"), [(0, (1, 0)), (90, (0, 1)), (180, (-1, 0)), (270, (0, -1))])
def test_the_text_of_a_page_has_the_places_where_it_is_drawn(rotate: int, along: tuple[int, int]) -> None:
    data = text_pdf(["Two words", "below"], rotate=rotate)
    lines = sorted(text_of_page(data, 0, 144, "document"), key=lambda line: line.whole.text)
    assert [(line.whole.text, [word.text for word in line.words]) for line in lines] == [
        ("Two words", ["Two", "words"]),
        ("below", ["below"]),
    ]
    begin, end = np.array(ends(lines[0].whole))
    assert (end - begin) / np.linalg.norm(end - begin) == pytest.approx(along, abs=0.01)
    ink = 255 - np.asarray(draw_page(data, 0, 144, "document", LIMITS).convert("L"))
    for line in lines:
        inside = np.zeros(ink.shape, bool)
        corners = np.array(line.whole.corners)
        (left, top), (right, bottom) = corners.min(axis=0).astype(int) - 2, corners.max(axis=0).astype(int) + 3
        inside[top:bottom, left:right] = True
        assert ink[inside].any()
        ink = np.where(inside, 0, ink)
    assert not ink.any()


def test_a_page_that_is_an_image_says_nothing() -> None:
    assert text_of_page(image_pdf(Image.new("RGB", (9, 9))), 0, 72, "document") == []


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
def test_what_cannot_be_opened_is_refused_by_name(data: bytes, words: str) -> None:
    with pytest.raises(InvalidInputError, match=re.escape(words)):
        page_count(data, "document")


def test_a_page_that_is_too_large_to_draw_is_refused_before_it_is() -> None:
    with pytest.raises(InvalidInputError, match=r"`document\.content\.pages\[0\]` has 100,000 × 100,000 pixels"):
        draw_page(text_pdf(["a"], size=(12_000, 12_000)), 0, 600, "document", LIMITS)
    with pytest.raises(InvalidInputError, match="one side may be 200 times the other"):
        draw_page(text_pdf(["a"], size=(12_000, 12)), 0, 72, "document", LIMITS)


def test_a_page_of_too_many_characters_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "MAX_CHARACTERS", 3)
    with pytest.raises(InvalidInputError, match=r"`document\.content\.pages\[0\]` has 4 characters; the limit is 3"):
        text_of_page(text_pdf(["four"]), 0, 72, "document")


def test_several_threads_draw_one_after_another() -> None:
    data = text_pdf(*[[f"page {number}"] for number in range(4)])
    with ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(lambda index: draw_page(data, index % 4, 72, "document", LIMITS).tobytes(), range(16)))
    assert drawn[:4] * 4 == drawn
