"""From maps of probabilities to lines, characters and their order."""

from __future__ import annotations

import math
import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from panope_backends.graphs.ocr_description import TextDetector, TextRecognizer
from panope_backends.tasks.ocr import regions
from panope_backends.tasks.ocr.characters import characters_of, read_text
from panope_backends.tasks.ocr.page import detector_pixels, page_of
from panope_backends.tasks.ocr.reading_order import reading_order
from panope_backends.tasks.ocr.regions import TooManyOutlinesError, find_lines

DETECTOR = TextDetector(file="a.onnx")


def test_without_opencv_a_model_is_refused_with_the_extra_that_brings_it() -> None:
    program = (
        "import sys; sys.modules['cv2'] = None\n"
        "from panope_backends.errors import PreconditionError\n"
        "from panope_backends.tasks.registry import find_task\n"
        "try:\n    find_task('ocr')\nexcept PreconditionError as error:\n    print(error.reason, error.message)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("not_installed ")
    assert "pip install 'panope-serving[ocr]'" in done.stdout


def map_of(*boxes: tuple[tuple[float, float], tuple[float, float], float], value: float = 0.9) -> np.ndarray:
    made = np.zeros((200, 300), np.float32)
    for box in boxes:
        cv2.fillPoly(made, [cv2.boxPoints(box).astype(np.int32)], (value,))
    return made


@pytest.mark.parametrize("angle", [0, 10, -25])
def test_a_line_is_as_much_larger_than_its_inner_part_as_its_area_says(angle: float) -> None:
    (found,) = find_lines(map_of(((150, 100), (100, 20), angle)), DETECTOR, 400, 600)
    further = 100 * 20 * 1.6 / 120
    sides = np.linalg.norm(found[0] - found[1]), np.linalg.norm(found[0] - found[3])
    assert sides == pytest.approx((2 * (100 + further), 2 * (20 + further)), abs=12)
    assert found.mean(axis=0) == pytest.approx((300, 200), abs=3)
    along = found[1] - found[0]
    assert math.degrees(math.atan2(along[1], along[0])) == pytest.approx(angle, abs=2)


def test_weak_and_tiny_regions_are_no_lines_and_a_ring_is_one() -> None:
    assert not len(find_lines(map_of(((150, 100), (100, 20), 0), value=0.4), DETECTOR, 200, 300))
    dot = np.zeros((200, 300), np.float32)
    dot[100, 150] = 1
    assert not len(find_lines(dot, DETECTOR, 200, 300))
    ring = map_of(((150, 100), (200, 60), 0))
    cv2.fillPoly(ring, [cv2.boxPoints(((150, 100), (40, 8), 0)).astype(np.int32)], (0.0,))
    assert len(find_lines(ring, DETECTOR, 200, 300)) == 1


def test_noise_is_refused_before_each_outline_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regions, "MAX_OUTLINES", 100)
    noise = np.zeros((200, 300), np.float32)
    noise[::4, ::4] = 1
    with pytest.raises(TooManyOutlinesError):
        find_lines(noise, DETECTOR, 200, 300)


@pytest.mark.parametrize(
    ("size", "seen"),
    [
        ((1000, 800), (800, 992)),
        ((600, 400), (736, 1088)),  # the shorter side is scaled up to what the graph was trained with
        ((3000, 1500), (992, 1984)),
        ((20_000, 100), None),
        ((100, 20_000), None),
        ((8, 8), None),
        ((1, 1), None),
        ((300, 20), None),
    ],
)
def test_what_the_detector_sees_is_bounded(size: tuple[int, int], seen: tuple[int, int] | None) -> None:
    page = page_of(np.asarray(Image.new("RGB", size)), DETECTOR)
    rows, columns = detector_pixels(page, DETECTOR).shape[:2]
    assert rows % 32 == columns % 32 == 0
    assert rows * columns <= 1.1 * DETECTOR.max_side**2
    assert seen in (None, (rows, columns))
    edge = np.array([[page.left, page.top], [page.pixels.shape[1] - page.left, page.pixels.shape[0] - page.top]])
    assert page.in_image(edge.astype(np.float32)) == pytest.approx(np.array([[0, 0], size]), rel=1e-4, abs=0.01)


def columns(*places: int) -> tuple[np.ndarray, np.ndarray]:
    return np.array(places, np.int32), np.full(len(places), 0.5, np.float32)


def test_a_character_stands_once_for_neighbouring_columns_and_twice_with_nothing_between() -> None:
    characters = characters_of(TextRecognizer(file="a.onnx"), {"character": "a\nb"})
    assert characters == ["", "a", "b", " "]
    found = read_text(*columns(0, 1, 1, 0, 1, 3, 3, 2, 0), characters, 9)
    assert (found.text, found.score) == ("aa b", 0.5)
    assert [(word.text, round(word.begin, 3), round(word.end, 3)) for word in found.words()] == [
        ("aa", 0.056, 0.556),
        ("b", 0.722, 0.944),
    ]


@pytest.mark.parametrize("places", [(), (0, 0), (3,), (3, 0, 3)])
def test_a_line_without_characters_has_no_words(places: tuple[int, ...]) -> None:
    found = read_text(*columns(*places), ["", "a", "b", " "], max(1, len(places)))
    assert not found.words()
    assert not found.text.strip()


def box(left: float, top: float, width: float = 100, height: float = 20, angle: float = 0) -> np.ndarray:
    turn = math.radians(angle)
    right, down = np.array([math.cos(turn), math.sin(turn)]), np.array([-math.sin(turn), math.cos(turn)])
    first = np.array([left, top])
    return np.array([first, first + width * right, first + width * right + height * down, first + height * down])


@pytest.mark.parametrize("angle", [0, 8, 90, -90, 172, 180])
def test_rows_are_read_from_above_and_each_from_its_beginning(angle: float) -> None:
    upright = [(200, 104), (0, 0), (0, 100), (0, 50), (200, 47)]
    turn = math.radians(angle)
    turned = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    lines = np.array([box(*(turned @ place), angle=angle) for place in upright], np.float32)
    assert reading_order(lines) == [1, 3, 4, 2, 0]


def column(left: float, top: float, count: int, width: float = 240) -> list[np.ndarray]:
    return [box(left, top + 30 * at, width - 7 * (at % 3)) for at in range(count)]


@pytest.mark.parametrize("shift", [0, 11])
def test_columns_are_read_one_after_another_between_what_stands_across_them(shift: float) -> None:
    title, foot = box(0, 0, 560), box(0, 400, 560)
    left, right = column(0, 60, 8), column(300, 60 + shift, 6)
    lines = np.array([*right, foot, *left, title], np.float32)
    order = reading_order(lines)
    assert order[0] == 15
    assert order[1:9] == list(range(7, 15))
    assert order[9:15] == list(range(6))
    assert order[15] == 6


def test_three_columns_are_read_from_the_left() -> None:
    lines = np.array([*column(600, 0, 4), *column(0, 0, 4), *column(300, 0, 4)], np.float32)
    assert reading_order(lines) == [*range(4, 12), *range(4)]


def test_a_table_and_a_form_are_read_row_by_row() -> None:
    cells = [box(150 * across, 40 * down, 80) for down in range(5) for across in range(4)]
    assert reading_order(np.array(cells, np.float32)) == list(range(20))
    form = [each for at in range(5) for each in (box(0, 40 * at, 90), box(200, 40 * at, 300))]
    assert reading_order(np.array(form, np.float32)) == list(range(10))
