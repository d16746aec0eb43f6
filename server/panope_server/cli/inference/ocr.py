"""The command that reads the text in images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from panope_server.cli.client import client_for
from panope_server.cli.inference.drawing import COLOURS, canvas, check_drawn
from panope_server.cli.options import Address, Json, Model
from panope_server.cli.output.console import console, fail, print_json

if TYPE_CHECKING:
    from panope.v1.media_pb2 import Point
    from panope.v1.ocr_service_pb2 import TextLine, TextPage


def ocr(
    model: Model,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The image, or PDF file.")],
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Tells of lines with this score or a higher one; 0.5.")
    ] = None,
    words: Annotated[bool, typer.Option("--words", help="Tells of each word, too; with --json or --draw.")] = False,
    draw: Annotated[
        Path | None, typer.Option("--draw", help="Writes the image with outlines of lines, or words, to this file.")
    ] = None,
    pages: Annotated[
        str | None, typer.Option("--pages", help="Of a PDF file: which pages, such as 1-3,7; all by default.")
    ] = None,
    dpi: Annotated[
        int | None, typer.Option(min=36, max=600, help="Of a PDF file: pixels of an inch; 150 by default.")
    ] = None,
    text_layer: Annotated[
        bool, typer.Option("--text-layer", help="Of a PDF file: tells the text that pages hold themselves.")
    ] = False,
    prompt: Annotated[
        str | None, typer.Option(help="Of a model such as Donut: what its answer goes on from, such as '<s_cord-v2>'.")
    ] = None,
    question: Annotated[
        str | None, typer.Option(help="Asks this about the image, of a model such as Donut's for documents.")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Of a model such as TrOCR or Donut: the most tokens that it writes.")
    ] = None,
    address: Address = None,
    json: Json = False,
) -> None:
    """Read the text in an image or a PDF file."""
    check_drawn(draw)
    is_document = _is_pdf(file)
    _check_whole_image(is_document, {"--prompt": prompt, "--question": question, "--max-tokens": max_tokens})
    _check_options(is_document, draw, {"--pages": pages, "--dpi": dpi, "--text-layer": text_layer or None})
    with client_for(model, address) as client:
        found = (
            client.recognize_document(
                file, model, threshold=threshold, words=words, pages=pages or "", dpi=dpi, text_layer=text_layer
            )
            if is_document
            else client.recognize(
                [file], model, threshold=threshold, words=words, prompt=prompt, question=question, max_tokens=max_tokens
            )
        ).pages
    if draw is not None:
        draw_lines(file, found[0].lines, draw, words=words)
    if json:
        values = [_value(page, words=words) for page in found]
        print_json({"pages": values} if is_document else values[0])
        return
    for at, page in enumerate(found):
        if at:
            typer.echo("\f", nl=False)  # between pages, as pdftotext does
        for line in page.lines:
            console.print(line.text, soft_wrap=True)


def _is_pdf(file: Path) -> bool:
    with file.open("rb") as opened:
        return b"%PDF-" in opened.read(1024)


def _check_options(is_document: bool, draw: Path | None, of_documents: Mapping[str, object]) -> None:
    """Before a model runs: what is for the other kind of file is refused."""
    if is_document and draw is not None:
        fail("`--draw` is for images, and the file is a PDF file")
    for option, value in of_documents.items():
        if not is_document and value is not None:
            fail(f"`{option}` is for PDF files, and the file is none")


def _check_whole_image(is_document: bool, of_images: Mapping[str, object]) -> None:
    for option, value in of_images.items():
        if is_document and value is not None:
            fail(f"`{option}` is for images, and the file is a PDF file")


def _value(page: TextPage, *, words: bool) -> dict[str, Any]:
    import msgspec

    return {
        "page": page.number,
        "width": page.width,
        "height": page.height,
        "lines": [_line_value(line, words=words) for line in page.lines],
        **({"parsed": msgspec.json.decode(page.parsed_json)} if page.parsed_json else {}),
        **({"truncated": True} if page.is_truncated else {}),
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
