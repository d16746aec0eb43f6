"""The command that makes an image larger."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from panope_server.cli.client import client_for
from panope_server.cli.options import Address, Json, Model
from panope_server.cli.output.console import console, fail, print_json
from panope_server.cli.output.files import check_file

#: What names of files end in, and the formats that they say.
_FORMATS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg"}


def superres(
    model: Model,
    image: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The image, a file.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file to write: .png or .jpg; by default beside the image.")
    ] = None,
    address: Address = None,
    json: Json = False,
) -> None:
    """Make an image larger."""
    out = out or image.with_name(f"{image.stem}-larger.png")
    kind = _FORMATS.get(out.suffix.lower())
    if kind is None:
        fail(f"`--out`: the name `{out}` ends in none of {', '.join(_FORMATS)}")
    check_file("--out", out)
    with client_for(model, address) as client:
        (made,) = client.upscale([image], model, output_format="jpeg" if kind == "jpeg" else "png").images
    try:
        out.write_bytes(made.content)
    except OSError as error:
        fail(f"`{out}` cannot be written: {error.strerror or type(error).__name__}")
    if json:
        print_json({"file": str(out), "width": made.width, "height": made.height})
    else:
        console.print(f"{out}: {made.width} × {made.height}")
