"""The command that reads the text in images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from panope_server.cli.options import Address, Json, Model
from panope_server.cli.output.console import console, print_json
from panope_server.cli.server.drawing import COLOURS, canvas, check_drawn
from panope_server.cli.server.models import client_at

if TYPE_CHECKING:
    from panope.v1.media_pb2 import Point
    from panope.v1.ocr_service_pb2 import TextLine, TextPage


def ocr(
    model: Model,
    image: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The image, a file.")],
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Tells of lines with this score or a higher one; 0.5.")
    ] = None,
    words: Annotated[bool, typer.Option("--words", help="Tells of each word, too; with --json or --draw.")] = False,
    draw: Annotated[
        Path | None, typer.Option("--draw", help="Writes the image with outlines of lines, or words, to this file.")
    ] = None,
    address: Address = None,
    json: Json = False,
) -> None:
    """Read the text in an image."""
    check_drawn(draw)
    with client_at(address) as client:
        (page,) = client.recognize([image], model, threshold=threshold, words=words).pages
    if draw is not None:
        draw_lines(image, page.lines, draw, words=words)
    if json:
        print_json(_value(page, words=words))
        return
    for line in page.lines:
        console.print(line.text, markup=False, highlight=False, soft_wrap=True)


def _value(page: TextPage, *, words: bool) -> dict[str, Any]:
    return {
        "page": page.number,
        "width": page.width,
        "height": page.height,
        "lines": [_line_value(line, words=words) for line in page.lines],
    }


def _line_value(line: TextLine, *, words: bool) -> dict[str, Any]:
    value = {"text": line.text, "score": line.score, "corners": _points(line.corners), "angle": line.angle}
    told = [{"text": word.text, "score": word.score, "corners": _points(word.corners)} for word in line.words]
    return value | ({"words": told} if words else {})


def _points(corners: Sequence[Point]) -> list[tuple[float, float]]:
    return [(point.x, point.y) for point in corners]


def draw_lines(image: Path, lines: Sequence[TextLine], file: Path, *, words: bool = False) -> None:
    """Writes the image with the outlines of its lines, or words, and their numbers in the order of reading."""
    with canvas(image, file) as upright:
        from PIL import ImageDraw

        pen = ImageDraw.Draw(upright)
        for at, line in enumerate(lines):
            colour = COLOURS[at % len(COLOURS)]
            for each in line.words if words else (line,):
                pen.polygon(_points(each.corners), outline=colour, width=2)
            first = line.corners[0]
            pen.text((first.x, first.y), str(at + 1), fill=colour, font_size=14, anchor="rs")
