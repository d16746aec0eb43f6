"""A model that reads, whole: small graphs whose answers can be told by looking at the image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.colour_reader import CELL, DESCRIPTION, line, page, png, write_colour_reader
from tests.pdf_files import image_pdf, text_pdf

from panope.worker.v1 import ocr_pb2 as messages
from panope.worker.v1.media_pb2 import Image as ImageMessage
from panope_backends.api import TensorModel
from panope_backends.engines.onnx.model import load_onnx_model
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.media.limits import MediaLimits
from panope_backends.tasks.ocr import job as ocr_job
from panope_backends.tasks.registry import find_task
from panope_backends.tasks.task import ArrayItem, ArrayJob, LoadedTask


class Source:
    """A folder as the registry places it, and ONNX Runtime."""

    media_limits = MediaLimits()

    def __init__(self, folder: Path, **changed: Any) -> None:
        self.folder = write_colour_reader(folder, **changed)
        for name in ("detector", "orientation", "recognizer"):
            place = folder / name
            place.mkdir()
            (folder / DESCRIPTION[name]["file"]).rename(place / "model.onnx")

    def load(self, config: Mapping[str, Any], folder: Path | None = None, *, head: str = "") -> TensorModel:
        del config, head
        assert folder is not None
        return load_onnx_model(folder, 1)


@pytest.fixture
def loaded(tmp_path: Path) -> Iterator[LoadedTask]:
    task = find_task("ocr").load(Source(tmp_path))  # type: ignore[arg-type]
    yield task
    task.close()


def read(loaded: LoadedTask, *images: Image.Image, **options: Any) -> list[messages.OcrPage]:
    """All rounds of a request, each item run by itself."""
    assert loaded.arrays is not None
    message = messages.OcrInput(images=[ImageMessage(content=png(image)) for image in images], **options)
    job = loaded.requests["ocr"](message.SerializeToString())
    assert isinstance(job, ArrayJob)
    items = job.items
    while items:
        rows = [row for item in items for row in loaded.arrays.run([item])]
        items = job.next_items(rows)
    return list(messages.OcrOutput.FromString(job.answer(rows)).pages)


def read_document(
    loaded: LoadedTask, data: bytes, ranges: tuple[int, ...] = (), *, words: bool = True, **options: Any
) -> Any:
    """As `read`, of a PDF file at 72 dpi."""
    document = messages.OcrDocument(content=data, ranges=ranges, **{"dpi": 72, **options})
    job = loaded.requests["ocr"](messages.OcrInput(document=document, words=words).SerializeToString())
    assert isinstance(job, ArrayJob)
    assert job.makes_rounds_slowly
    assert not job.items
    assert loaded.arrays is not None
    rows: list[Any] = []
    while items := job.next_items(rows):
        rows = [row for item in items for row in loaded.arrays.run([item])]
    job.close()
    return list(messages.OcrOutput.FromString(job.answer(rows)).pages)


def corners(found: messages.OcrLine | messages.OcrWord) -> Any:
    return np.array(found.corners).reshape(4, 2)


def test_lines_are_read_from_above_and_from_the_left_with_their_places(loaded: LoadedTask) -> None:
    image = page([(200, 100, line("gg")), (20, 20, line("rgb")), (40, 102, line("rb r"))])
    (found,) = read(loaded, image)
    assert (found.number, found.width, found.height) == (1, 400, 300)
    assert [each.text for each in found.lines] == ["rgb", "rb r", "gg"]
    first = found.lines[0]
    wide = 7 * CELL
    wanted = np.array([(20, 20), (20 + wide, 20), (20 + wide, 36), (20, 36)])
    assert corners(first) == pytest.approx(wanted, abs=2)
    assert first.score > 0.9
    assert first.angle == pytest.approx(0, abs=1)
    assert not first.words


def test_words_have_their_own_places(loaded: LoadedTask) -> None:
    (found,) = read(loaded, page([(30, 40, line("rg b"))]), words=True)
    ((one, two),) = [each.words for each in found.lines]
    assert (one.text, two.text) == ("rg", "b")
    begins, ends = corners(two)[0][0], corners(two)[1][0]
    assert begins == pytest.approx(30 + 6.5 * CELL, abs=CELL / 2)  # between the middles of the space and of the letter
    assert ends == pytest.approx(30 + 8.5 * CELL, abs=CELL / 2)
    assert corners(one)[1][0] <= begins


@pytest.mark.parametrize(("quarters", "angle"), [(0, 0), (1, -90), (2, 180), (3, 90)])
def test_a_turned_page_is_read_as_its_text_stands(loaded: LoadedTask, quarters: int, angle: int) -> None:
    upright = page([(20, 20, line("rgb")), (20, 60, line("rrb"))])
    (found,) = read(loaded, Image.fromarray(np.rot90(np.asarray(upright), quarters)))
    assert [each.text for each in found.lines] == ["rgb", "rrb"]
    assert [abs(each.angle) if angle == 180 else each.angle for each in found.lines] == pytest.approx(
        [angle] * 2, abs=1
    )
    beginning = [(20, 20), (20, 380), (380, 280), (280, 20)][quarters]
    assert corners(found.lines[0])[0] == pytest.approx(beginning, abs=3)


def test_pages_of_one_request_keep_their_order_and_an_empty_one_has_no_lines(loaded: LoadedTask) -> None:
    pages = read(loaded, page([(0, 9, line("r"))]), page([]), page([(9, 9, line("g"))], (90, 90)))
    assert [[each.text for each in found.lines] for found in pages] == [["r"], [], ["g"]]


def test_lines_under_the_threshold_and_without_text_are_left_out(loaded: LoadedTask) -> None:
    image = page([(20, 20, line("r")), (20, 60, line("---"))])
    (found,) = read(loaded, image, threshold=0.0)
    assert [each.text for each in found.lines] == ["r"]
    assert not read(loaded, image, threshold=1.0)[0].lines


def test_a_large_page_is_read_at_less_and_told_at_its_own_size(loaded: LoadedTask) -> None:
    large = page([(40, 60, line("rgb"))]).resize((1600, 1200), Image.Resampling.NEAREST)
    (found,) = read(loaded, large)
    (only,) = found.lines
    assert (found.width, found.height, only.text) == (1600, 1200, "rgb")
    assert corners(only)[0] == pytest.approx((160, 240), abs=12)


def test_long_lines_and_strips_are_read(loaded: LoadedTask) -> None:
    (found,) = read(loaded, page([(0, 2, line("rgbgrb"))], (400, 20)))
    assert [each.text for each in found.lines] == ["rgbgrb"]
    assert corners(found.lines[0]).max(axis=0)[1] <= 20


def test_lines_run_some_at_a_time(loaded: LoadedTask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr_job, "LINES_AT_ONCE", 2)
    seen: list[int] = []
    assert loaded.arrays is not None
    run = loaded.arrays.run

    def counted(items: list[ArrayItem]) -> Any:
        seen.append(len(items))
        return run(items)

    monkeypatch.setattr(loaded.arrays, "run", counted)
    (found,) = read(loaded, page([(20, 20 + 40 * at, line("rgb"[at % 3])) for at in range(5)]))
    assert [each.text for each in found.lines] == ["r", "g", "b", "r", "g"]
    assert len(seen) == 1 + 2 * 5


def test_a_page_of_too_many_lines_is_refused_by_name(loaded: LoadedTask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr_job, "MAX_LINES", 1)
    with pytest.raises(InvalidInputError, match=r"`images\[5\]` has more than [\d,]+ lines of text"):
        read(loaded, page([(20, 20, line("r")), (20, 60, line("g"))]), first_index=5)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"detector": {**DESCRIPTION["detector"], "output": "maps"}}, "names the output `maps`; the graph gives y"),
        ({"recognizer": {**DESCRIPTION["recognizer"], "input": "z"}}, "input `z` of the recognizer; the graph takes x"),
        ({"recognizer": {**DESCRIPTION["recognizer"], "space": False}}, "the recognizer gives 16 × 5 values"),
        ({"recognizer": {**DESCRIPTION["recognizer"], "characters": ["a"]}}, "columns × 3 are read"),
    ],
)
def test_graphs_that_the_description_does_not_fit_are_refused(tmp_path: Path, changed: Any, words: str) -> None:
    with pytest.raises(PreconditionError, match=words):
        find_task("ocr").load(Source(tmp_path, **changed))  # type: ignore[arg-type]


def test_characters_come_from_the_description_where_it_lists_them(tmp_path: Path) -> None:
    described = {**DESCRIPTION["recognizer"], "characters": ["red ", "ü", "لا"]}
    loaded = find_task("ocr").load(Source(tmp_path, recognizer=described))  # type: ignore[arg-type]
    (found,) = read(loaded, page([(20, 20, line("rgb"))]))
    assert [each.text for each in found.lines] == ["red üلا"]


def test_a_folder_without_a_description_is_no_model_that_reads(tmp_path: Path) -> None:
    source = Source(tmp_path)
    (tmp_path / "panope.json").unlink()
    with pytest.raises(PreconditionError, match=r"graphs that a `panope\.json` describes"):
        find_task("ocr").load(source)  # type: ignore[arg-type]


def test_pages_of_a_document_are_drawn_and_read_in_their_order(loaded: LoadedTask) -> None:
    data = image_pdf(*[page([(20, 20, line(text))]) for text in ("r", "g", "b", "rg", "gb")])
    told = [(each.number, [found.text for found in each.lines]) for each in read_document(loaded, data)]
    assert told == [(1, ["r"]), (2, ["g"]), (3, ["b"]), (4, ["rg"]), (5, ["gb"])]
    (second, *others) = read_document(loaded, data, (2, 2, 4, 0))
    assert (second.number, second.width, second.height, len(others)) == (2, 400, 300, 2)
    assert [each.number for each in others] == [4, 5]


def test_a_pages_own_text_is_told_where_it_is_asked_for_and_not_read(loaded: LoadedTask) -> None:
    data = text_pdf(["Never read", "by a model"], [])
    first, second = read_document(loaded, data, text_layer=True)
    assert first.is_text_layer
    assert [(each.text, each.score, [word.text for word in each.words]) for each in first.lines] == [
        ("Never read", 1, ["Never", "read"]),
        ("by a model", 1, ["by", "a", "model"]),
    ]
    assert (second.is_text_layer, list(second.lines), second.width) == (False, [], 300)
    assert not read_document(loaded, data)[0].is_text_layer


def test_a_document_of_which_every_page_has_text_needs_no_model(loaded: LoadedTask) -> None:
    pages = read_document(loaded, text_pdf(["one"], ["two"], ["three"]), text_layer=True)
    assert [each.lines[0].text for each in pages] == ["one", "two", "three"]


def test_an_answer_of_too_much_text_is_refused_by_name(loaded: LoadedTask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr_job, "MAX_TEXT_ANSWER_BYTES", 100)
    data = text_pdf(["The first page"], ["The second page"])
    with pytest.raises(InvalidInputError, match=r"what `document\.pages` hold is .* 100 bytes; ask for fewer of them$"):
        read_document(loaded, data, text_layer=True, words=False)
    with pytest.raises(InvalidInputError, match=r"ask for fewer of them, or without `words`") as caught:
        read_document(loaded, data, text_layer=True)
    assert caught.value.field == "document.pages"
    assert len(read_document(loaded, data, (1, 1), text_layer=True, words=False)) == 1
    with pytest.raises(InvalidInputError, match="what `images` hold"):
        read(loaded, *[page([(20, 20, line("rgb")), (20, 60, line("g"))])] * 2)


@pytest.mark.parametrize(
    ("ranges", "field", "words"),
    [
        ((2, 3), "document.pages", "names page 3; the document has 2"),
        ((3, 0), "document.pages", "names page 3; the document has 2"),
    ],
)
def test_pages_that_a_document_has_not_are_refused(
    loaded: LoadedTask, ranges: tuple[int, ...], field: str, words: str
) -> None:
    with pytest.raises(InvalidInputError, match=words) as caught:
        read_document(loaded, text_pdf(["a"], ["b"]), ranges)
    assert caught.value.field == field


def test_more_pages_and_bytes_than_the_limits_are_refused(tmp_path: Path) -> None:
    source = Source(tmp_path)
    source.media_limits = MediaLimits(max_document_bytes=2000, max_pages=2)
    loaded = find_task("ocr").load(source)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="asks for more than 2 pages of 3"):
        read_document(loaded, text_pdf(["a"], ["b"], ["c"]))
    assert len(read_document(loaded, text_pdf(["a"], ["b"], ["c"]), (2, 0))) == 2
    with pytest.raises(InvalidInputError, match=r"`document\.content` has [\d,]+ bytes; the limit is 2,000"):
        read_document(loaded, text_pdf(["a" * 2000]))
    loaded.close()
