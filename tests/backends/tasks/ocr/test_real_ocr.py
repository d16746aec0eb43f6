"""PP-OCR's trained graphs give the lines that RapidOCR's own code does, whose package they lie in."""

from __future__ import annotations

import importlib.util
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from tests.backends.tasks.ocr.test_ocr import read
from tests.real_graphs import RAPID_OCR, READER_FILES, write_reader
from tests.real_models import sample, wheel

from panope.v1.media_pb2 import Point
from panope.v1.ocr_service_pb2 import TextLine
from panope_backends.api import TensorModel
from panope_backends.engines.onnx.model import load_onnx_model
from panope_backends.media.limits import MediaLimits
from panope_backends.tasks.registry import find_task
from panope_backends.tasks.task import LoadedTask
from panope_server.cli.inference.ocr import draw_lines

# A package of 15 MB, and others that its code needs.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ITS_NEEDS = ("pyclipper==1.4.0", "shapely==2.2.0", "six==1.17.0", "PyYAML==6.0.3", "tqdm==4.67.1")

#: What the command line draws over the letter, its upper part.
DOCUMENTED = Path(__file__).parents[4] / "docs" / "ocr.png"

PROGRAM = """
import json, pathlib, sys
from rapidocr_onnxruntime import RapidOCR
engine = RapidOCR()
for path in sys.argv[1:]:
    found, _ = engine(path)
    print(json.dumps([[corners, text, float(score)] for corners, text, score in found or []]))
"""

FONT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
LETTER = (
    "The quick brown fox jumps",
    "over the lazy dog.",
    "Invoice No. 2024-1187",
    "Total: 1,234.56 EUR",
    "Please pay within 14 days",
)


class Source:
    media_limits = MediaLimits()

    def __init__(self, folder: Path) -> None:
        self.folder = write_reader(folder)
        for name, file in READER_FILES.items():  # as the server lays them out
            (folder / name).mkdir()
            (folder / name / "model.onnx").write_bytes((folder / file).read_bytes())

    def load(self, config: object, folder: Path | None = None, *, head: str = "") -> TensorModel:
        del config, head
        assert folder is not None
        return load_onnx_model(folder, 0)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedTask:
    return find_task("ocr").load(Source(tmp_path_factory.mktemp("ocr") / "model"))  # type: ignore[arg-type]


def letter() -> Image.Image:
    image = Image.new("RGB", (900, 600), "white")
    pen, font = ImageDraw.Draw(image), ImageFont.truetype(FONT, 24)
    for at, text in enumerate(LETTER):
        pen.text((40 + 20 * at, 40 + 90 * at), text, "black", font)
    return image


def images() -> dict[str, Image.Image]:
    """Photographed and drawn text, upright, turned and tilted, small and large."""
    page = Image.open(io.BytesIO(sample("page.png"))).convert("RGB")
    strip = Image.new("RGB", (900, 40), "white")
    ImageDraw.Draw(strip).text((5, 5), "Reading upwards here", "black", ImageFont.truetype(FONT, 26))
    columns = Image.new("RGB", (600, 700), "white")
    columns.paste(strip.crop((0, 0, 500, 40)).rotate(90, expand=True), (60, 60))
    columns.paste(strip.crop((0, 0, 500, 40)).rotate(270, expand=True), (300, 60))
    return {
        "page": page,
        **{f"turned {quarters}": Image.fromarray(np.rot90(np.asarray(page), quarters)) for quarters in (1, 2, 3)},
        "tilted": page.rotate(20, expand=True, fillcolor="white"),
        "letter": letter(),
        "large": letter().resize((2700, 1800)),
        "strip": strip,
        "upwards and downwards": columns,
        "empty": Image.new("RGB", (640, 480), "white"),
    }


@pytest.fixture(scope="module")
def its_lines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """What RapidOCR's own code says of each image."""
    folder = tmp_path_factory.mktemp("rapidocr")
    for package in (RAPID_OCR, *ITS_NEEDS):
        name = {"PyYAML": "yaml"}.get(package.partition("==")[0], package.partition("==")[0])
        if importlib.util.find_spec(name) is None:
            with zipfile.ZipFile(wheel(package)) as archive:
                archive.extractall(folder / "packages")
    files = {name: folder / f"{at}.png" for at, name in enumerate(images())}
    for name, image in images().items():
        image.save(files[name])
    command = [sys.executable, "-c", PROGRAM, *map(str, files.values())]
    environment = {"PYTHONPATH": str(folder / "packages"), "PATH": ""}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[[[") or line == "[]"]
    return dict(zip(files, said, strict=True))


def bare(text: str) -> str:
    """Without spaces, of which the recognizer is unsure: it loses some, by the fill behind a line."""
    return text.replace(" ", "").lower()


@pytest.mark.parametrize("name", images())
def test_lines_are_those_of_rapidocr(loaded: LoadedTask, its_lines: dict[str, list[Any]], name: str) -> None:
    (found,) = read(loaded, images()[name])
    ours = [(np.array(each.corners).reshape(4, 2), each.text, each.score) for each in found.lines]
    theirs = its_lines[name]
    assert len(ours) >= len(theirs)
    for corners, text, score in theirs:
        middle = np.mean(corners, axis=0)
        near = min(ours, key=lambda each: float(np.abs(each[0].mean(axis=0) - middle).max()))
        # Ours begin with the corner where the text does.
        apart = min(np.abs(np.roll(near[0], turn, axis=0) - corners).max() for turn in range(4))
        assert apart <= 4, (text, near)
        if score > 0.9:  # under which a character or two is a guess
            assert bare(near[1]) == bare(text)
            assert near[2] == pytest.approx(score, abs=0.06)


def test_what_is_known_of_the_page_is_read(loaded: LoadedTask) -> None:
    (found,) = read(loaded, images()["page"])
    texts = {bare(each.text): each.score for each in found.lines}
    assert texts[bare("Region-based segmentation")] > 0.95
    assert texts[bare("Let us first determine markers of the coins and the")] == pytest.approx(0.93, abs=0.03)


@pytest.mark.parametrize(("name", "angle"), [("turned 1", -90), ("turned 2", 180), ("turned 3", 90), ("tilted", -20)])
def test_the_direction_of_text_is_told(loaded: LoadedTask, name: str, angle: int) -> None:
    (found,) = read(loaded, images()[name])
    (angled,) = [each.angle for each in found.lines if each.text.startswith("histogram")]
    assert (abs(angled) if angle == 180 else angled) == pytest.approx(angle, abs=4)


def test_a_drawn_letter_is_read_word_by_word_in_its_order_and_as_the_documentation_shows(
    loaded: LoadedTask, tmp_path: Path
) -> None:
    (found,) = read(loaded, letter(), words=True)
    assert [bare(each.text) for each in found.lines] == [bare(text) for text in LETTER]
    said = [
        TextLine(corners=[Point(x=x, y=y) for x, y in np.array(each.corners).reshape(4, 2).tolist()])
        for each in found.lines
    ]
    letter().save(tmp_path / "letter.png")
    draw_lines(tmp_path / "letter.png", said, tmp_path / "drawn.png")
    drawn = np.asarray(Image.open(tmp_path / "drawn.png").convert("L"), np.float32)
    documented = np.asarray(Image.open(DOCUMENTED).convert("L"), np.float32)
    assert documented.shape == drawn[:460].shape
    assert np.abs(documented - drawn[:460]).mean() < 3
    quick = next(word for word in found.lines[0].words if word.text == "quick")
    assert np.array(quick.corners).reshape(4, 2)[:, 0] == pytest.approx([92, 154, 154, 92], abs=8)
