"""Draws what models say of an image over it, on the user's machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from panope_server.cli.output.console import fail
from panope_server.cli.output.files import check_file

#: Of what is drawn: clear on light and dark images alike.
COLOURS = ("#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#008080", "#9a6324", "#808000")

#: What names of files end in that images are drawn into.
_DRAWN = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")


def check_drawn(file: Path | None) -> None:
    """Before a model runs, whose answer would be lost."""
    if file is None:
        return
    if file.suffix.lower() not in _DRAWN:
        fail(f"`--draw`: the name `{file}` ends in none of {', '.join(_DRAWN)}")
    check_file("--draw", file)


def colours(labels: Iterable[str]) -> dict[str, str]:
    """A colour for each label."""
    return {label: COLOURS[at % len(COLOURS)] for at, label in enumerate(dict.fromkeys(labels))}


@contextmanager
def canvas(image: Path, file: Path) -> Iterator[Any]:
    """The user's own image, on the user's machine: no server decodes it here; written to `file` at the end."""
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ModuleNotFoundError:
        fail("`--draw` needs Pillow: pip install 'panope-serving[image]'")
    try:
        with Image.open(image) as opened:
            upright = ImageOps.exif_transpose(opened).convert("RGB")
        yield upright
        upright.save(file)
    except (OSError, ValueError, UnidentifiedImageError) as error:
        fail(f"`{file}` cannot be drawn: {type(error).__name__}")
