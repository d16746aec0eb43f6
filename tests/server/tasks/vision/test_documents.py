"""Which pages of a document are asked for."""

from __future__ import annotations

import pytest

from panope_backends.errors import InvalidInputError
from panope_server.tasks.vision.documents import Document, holds_pdf, page_ranges
from panope_server.tasks.vision.images import Image, image_of_base64


@pytest.mark.parametrize(
    ("pages", "ranges"),
    [("", []), ("3", [(3, 3)]), ("1-3,7", [(1, 3), (7, 7)]), ("2, 5-", [(2, 2), (5, 0)]), ("4-4", [(4, 4)])],
)
def test_pages_are_ranges(pages: str, ranges: list[tuple[int, int]]) -> None:
    assert page_ranges(pages) == ranges


@pytest.mark.parametrize(
    "pages", ["0", "3-1", "2,1", "2,2", "1-3,3", "5-,6", "a", "1,,2", "-3", "1-99999999", "١", " "]
)
def test_what_is_no_list_of_ascending_pages_is_refused(pages: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        page_ranges(pages)
    assert caught.value.field == "document.pages"


def test_a_list_of_very_many_ranges_is_refused() -> None:
    with pytest.raises(InvalidInputError):
        page_ranges(",".join(map(str, range(1, 3000))))


def test_a_document_costs_by_its_pages() -> None:
    assert Document(Image(content=b"a"), "1-3,7").page_count == 4
    assert Document(Image(content=b"a" * 500_000)).page_count == 11


@pytest.mark.parametrize(
    ("file", "is_pdf"),
    [
        (Image(content=b"%PDF-1.7"), True),
        (Image(content=b"\n\n%PDF-1.7"), True),
        (Image(content=b"\x89PNG"), False),
        (image_of_base64("JVBERi0xLjc="), True),
        (Image(data_url="data:application/pdf;base64,JVBERi0xLjc="), True),
        (image_of_base64("iVBORw0KGgo="), False),
        (image_of_base64("§§§"), False),
    ],
)
def test_a_pdf_file_is_told_by_its_first_bytes(file: Image, is_pdf: bool) -> None:
    assert holds_pdf(file) == is_pdf
