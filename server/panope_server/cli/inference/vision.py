"""Commands that ask models about images."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from panope_server.cli.client import client_for
from panope_server.cli.inference.drawing import COLOURS, canvas, check_drawn, colours
from panope_server.cli.options import Address, Json, Model
from panope_server.cli.output.console import console, fail, note, print_json
from panope_server.cli.output.files import check_folder

if TYPE_CHECKING:
    from panope.v1.detect_service_pb2 import Detection, ImageDetections
    from panope.v1.segment_service_pb2 import Segment

#: Points that a model is less sure of are not drawn: they lie somewhere.
_SURE = 0.3

#: What names of files are kept free of.
_NO_NAME = re.compile(r"[^\w.-]+")

Subtask = Literal["semantic", "instance", "panoptic"]


def detect(
    model: Model,
    image: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The image, a file.")],
    threshold: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Tells of what has a higher score; 0.5, 0.1 with --label, 0.3 of poses."),
    ] = None,
    max_detections: Annotated[int | None, typer.Option(min=1, max=1000, help="How many things to tell of.")] = None,
    label: Annotated[
        list[str] | None, typer.Option("--label", help="What to look for, by a model such as OWL-ViT; repeatable.")
    ] = None,
    box: Annotated[
        list[str] | None,
        typer.Option(
            "--box",
            metavar="X1,Y1,X2,Y2",
            help="Where somebody stands, in pixels, for a model of poses such as VitPose; repeatable.",
        ),
    ] = None,
    draw: Annotated[
        Path | None, typer.Option("--draw", help="Writes the image with boxes, labels and points to this file.")
    ] = None,
    address: Address = None,
    json: Json = False,
) -> None:
    """Find things in an image."""
    check_drawn(draw)
    boxes = [_sides(each) for each in box or ()]
    with client_for(model, address) as client:
        (found,) = client.detect(
            [image],
            model,
            threshold=threshold,
            max_detections=max_detections,
            candidate_labels=label or (),
            boxes=boxes,
        ).images
    if draw is not None:
        _draw(image, found.detections, draw)
    if json:
        print_json(_value(found))
        return
    if not found.detections:
        without = f"; {draw} is the image without boxes" if draw is not None else ""
        note(f"nothing was found{without}; a lower --threshold tells of what the model is less sure of")
    for each in found.detections:
        # Whole pixels as over REST and in transformers' pipeline; --json has what the model told.
        place = [int(edge) for edge in (each.box.x_min, each.box.y_min, each.box.x_max, each.box.y_max)]
        console.print(f"{each.score:.4f}  {each.label}  {place}")
        for point in each.keypoints:
            where = f"{point.score:.4f}    {point.name}  {point.x:.0f}, {point.y:.0f}"
            console.print(where)


def segment(
    model: Model,
    image: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The image, a file.")],
    subtask: Annotated[
        Subtask | None, typer.Option(help="What segments are; panoptic by default where the model does it.")
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Tells of segments with a higher score; 0.9 by default."),
    ] = None,
    mask_threshold: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="From which probability on a pixel belongs to a mask; 0.5 by default."),
    ] = None,
    overlap_mask_area_threshold: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Leaves out a segment that others cover but for this part; 0.5 by default."),
    ] = None,
    max_segments: Annotated[int | None, typer.Option(min=1, max=1000, help="How many segments to tell of.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Writes each mask to this folder, as a PNG file with its label.")
    ] = None,
    draw: Annotated[
        Path | None, typer.Option("--draw", help="Writes the image with coloured segments to this file.")
    ] = None,
    address: Address = None,
    json: Json = False,
) -> None:
    """Say which pixels of an image belong to what."""
    check_drawn(draw)
    if out is not None:
        check_folder("--out", out)
    with client_for(model, address) as client:
        (found,) = client.segment(
            [image],
            model,
            subtask=subtask,
            threshold=threshold,
            mask_threshold=mask_threshold,
            overlap_mask_area_threshold=overlap_mask_area_threshold,
            max_segments=max_segments,
        ).images
    files = _write_masks(found.segments, out) if out is not None else [None] * len(found.segments)
    if draw is not None:
        _draw_segments(image, found.segments, draw)
    if json:
        segments = [_segment_value(each, file) for each, file in zip(found.segments, files, strict=True)]
        print_json({"width": found.width, "height": found.height, "segments": segments})
        return
    if not found.segments:
        note("no segment was found; a lower --threshold tells of those that the model is less sure of")
    for each, file in zip(found.segments, files, strict=True):
        score = f"{each.score:.4f}" if each.HasField("score") else "      "
        part = each.area / max(1, found.width * found.height)
        where = f"  {file}" if file else ""
        console.print(f"{score}  {part:6.1%}  {each.label}{where}")


def _sides(text: str) -> list[float]:
    from panope_server.config.numbers import read_number

    sides = [read_number(each.strip()) for each in text.split(",")]
    known = [side for side in sides if side is not None]
    if not len(known) == len(sides) == 4:
        fail(f"`--box`: `{text}` must be four numbers: left, top, right, bottom, as in 10,20,110,220")
    return known


def _value(found: ImageDetections) -> dict[str, Any]:
    return {
        "width": found.width,
        "height": found.height,
        "detections": [_detection_value(each) for each in found.detections],
    }


def _detection_value(each: Detection) -> dict[str, Any]:
    box, points = each.box, each.keypoints
    value = {"label": each.label, "score": each.score, "box": [box.x_min, box.y_min, box.x_max, box.y_max]}
    told = [{"name": point.name, "score": point.score, "x": point.x, "y": point.y} for point in points]
    return value | ({"keypoints": told} if told else {})


def _segment_value(each: Segment, file: Path | None) -> dict[str, Any]:
    box = each.box
    value = {
        "label": each.label,
        "score": each.score if each.HasField("score") else None,
        "area": each.area,
        "box": [box.x_min, box.y_min, box.x_max, box.y_max],
    }
    return value | ({"mask": str(file)} if file else {})


def _write_masks(segments: Sequence[Segment], folder: Path) -> list[Path]:
    """One file a segment; what labels have that names of files have not becomes a dash."""
    files = [folder / f"{at:02}-{_NO_NAME.sub('-', each.label)[:64]}.png" for at, each in enumerate(segments)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, each in zip(files, segments, strict=True):
            file.write_bytes(each.png)
    except OSError as error:
        fail(f"`{folder}` cannot be written: {error.strerror or type(error).__name__}")
    return files


def _draw(image: Path, detections: Sequence[Detection], file: Path) -> None:
    with canvas(image, file) as upright:
        from PIL import ImageDraw

        pen = ImageDraw.Draw(upright)
        by_label = colours(one.label for one in detections)
        for each in detections:
            box, colour = each.box, by_label[each.label]
            pen.rectangle((box.x_min, box.y_min, box.x_max, box.y_max), outline=colour, width=3)
            pen.text((box.x_min + 4, box.y_min + 2), f"{each.label} {each.score:.2f}", fill=colour, font_size=16)
            for point in each.keypoints:
                if point.score > _SURE:
                    pen.circle((point.x, point.y), 4, fill=colour, outline="white")


def _draw_segments(image: Path, segments: Sequence[Segment], file: Path) -> None:
    with canvas(image, file) as upright:
        from PIL import Image, ImageDraw

        for at, each in enumerate(segments):
            with Image.open(io.BytesIO(each.png)) as mask:
                upright.paste(COLOURS[at % len(COLOURS)], mask=mask.point(lambda value: value * 0.5))
        pen = ImageDraw.Draw(upright)
        for each in segments:
            middle = ((each.box.x_min + each.box.x_max) / 2, (each.box.y_min + each.box.y_max) / 2)
            pen.text(middle, each.label, fill="white", anchor="mm", font_size=16, stroke_width=2, stroke_fill="black")
