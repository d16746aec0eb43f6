"""Commands that ask models about images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from panope_server.cli.options import Address, Json, Model
from panope_server.cli.output.console import console, fail, print_json
from panope_server.cli.server.models import client_at

if TYPE_CHECKING:
    from panope.v1.detect_service_pb2 import Detection, ImageDetections

#: Of what is drawn: clear on light and dark images alike.
_COLOURS = ("#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#008080", "#9a6324", "#808000")


def detect(
    model: Model,
    image: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The image, a file.")],
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Tells of what has a higher score; 0.5, or 0.1 with --label.")
    ] = None,
    most: Annotated[int | None, typer.Option("--most", min=1, max=1000, help="How many things to tell of.")] = None,
    label: Annotated[
        list[str] | None, typer.Option("--label", help="What to look for, by a model such as OWL-ViT; repeatable.")
    ] = None,
    draw: Annotated[
        Path | None, typer.Option("--draw", help="Writes the image with boxes and labels to this file.")
    ] = None,
    address: Address = None,
    json: Json = False,
) -> None:
    """Find things in an image."""
    with client_at(address) as client:
        (found,) = client.detect(
            [image], model, threshold=threshold, max_detections=most, candidate_labels=label or ()
        ).images
    if draw is not None:
        _draw(image, found.detections, draw)
    if json:
        print_json(_value(found))
        return
    for each in found.detections:
        box = each.box
        place = f"[{box.x_min:.0f}, {box.y_min:.0f}, {box.x_max:.0f}, {box.y_max:.0f}]"
        console.print(f"{each.score:.4f}  {each.label}  {place}", markup=False, highlight=False)


def _value(found: ImageDetections) -> dict[str, Any]:
    return {
        "width": found.width,
        "height": found.height,
        "detections": [
            {
                "label": each.label,
                "score": each.score,
                "box": [each.box.x_min, each.box.y_min, each.box.x_max, each.box.y_max],
            }
            for each in found.detections
        ],
    }


def _draw(image: Path, detections: Sequence[Detection], file: Path) -> None:
    """The user's own image, on the user's machine: no server decodes it here."""
    try:
        from PIL import Image, ImageDraw, ImageOps, UnidentifiedImageError
    except ModuleNotFoundError:
        fail("`--draw` needs Pillow: pip install 'panope-serving[image]'")
    try:
        with Image.open(image) as opened:
            upright = ImageOps.exif_transpose(opened).convert("RGB")
        canvas = ImageDraw.Draw(upright)
        colours = {label: _COLOURS[at % len(_COLOURS)] for at, label in enumerate({one.label for one in detections})}
        for each in detections:
            box, colour = each.box, colours[each.label]
            canvas.rectangle((box.x_min, box.y_min, box.x_max, box.y_max), outline=colour, width=3)
            canvas.text((box.x_min + 4, box.y_min + 2), f"{each.label} {each.score:.2f}", fill=colour, font_size=16)
        upright.save(file)
    except (OSError, ValueError, UnidentifiedImageError) as error:
        fail(f"`{file}` cannot be drawn: {type(error).__name__}")
