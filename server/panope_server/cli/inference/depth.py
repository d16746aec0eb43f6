"""The command that asks how far away what an image shows is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from panope_server.cli.client import client_for
from panope_server.cli.options import Address, Json, Model
from panope_server.cli.output.console import console, fail, print_json
from panope_server.cli.output.files import check_file

if TYPE_CHECKING:
    from panope.v1.depth_service_pb2 import DepthMap

_PNG, _NPY = ".png", ".npy"

#: What values mean, by the numbers of `DepthUnit`.
_UNITS = (None, "inverse", "metre")
_MEANINGS = (
    "the model's files do not say what the values mean",
    "inverse depth: the larger, the nearer, without a scale",
    "metres",
)


def depth(
    model: Model,
    image: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The image, a file.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="The file to write: .png for 16 bits from the lowest to the highest value, .npy for float32; by "
            "default a .png beside the image.",
        ),
    ] = None,
    address: Address = None,
    json: Json = False,
) -> None:
    """Say how far away each pixel of an image is."""
    out = out or image.with_name(f"{image.stem}-depth.png")
    ending = out.suffix.lower()
    if ending not in (_PNG, _NPY):
        fail(f"`--out`: the name `{out}` ends neither in {_PNG} nor in {_NPY}")
    check_file("--out", out)
    with client_for(model, address) as client:
        (found,) = client.estimate_depth([image], model, depth_format="png" if ending == _PNG else "float32").images
    _write(found, out)
    if json:
        size = {"width": found.width, "height": found.height}
        print_json({"file": str(out), **size, "min": found.min, "max": found.max, "unit": _UNITS[found.unit]})
    else:
        where = f"{out}: {found.width} × {found.height}, {found.min:.4g} to {found.max:.4g}"
        console.print(f"{where}, {_MEANINGS[found.unit]}")


def _write(found: DepthMap, out: Path) -> None:
    try:
        with out.open("wb") as file:
            if found.WhichOneof("depth") == "png":
                file.write(found.png)
            else:
                import numpy as np

                np.save(file, np.frombuffer(found.float32, "<f4").reshape(found.height, found.width))
    except OSError as error:
        fail(f"`{out}` cannot be written: {error.strerror or type(error).__name__}")
