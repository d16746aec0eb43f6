"""The command that generates images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from panope_server.cli.client import client_at, client_for
from panope_server.cli.inference.submitted import AsJob, tell_submitted
from panope_server.cli.options import Address, Json, Model
from panope_server.cli.output.console import console, fail, note, print_json
from panope_server.cli.output.files import check_file

if TYPE_CHECKING:
    from panope.v1.image_service_pb2 import GeneratedImage
    from panope_client import Client, Job

#: What names of files end in, and the formats that they say.
_FORMATS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}


def generate_image(
    model: Model,
    prompt: Annotated[str, typer.Argument(help="What is to be seen.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The file to write: .png, .jpg or .webp; of several, numbers follow.")
    ] = Path("image.png"),
    negative_prompt: Annotated[str | None, typer.Option(help="What is not to be seen.")] = None,
    size: Annotated[str, typer.Option(help="Such as 512x512; by default the model's own.")] = "",
    steps: Annotated[int, typer.Option(min=0, help="Denoising steps; by default the model's own.")] = 0,
    guidance_scale: Annotated[float | None, typer.Option(min=0, help="How closely to keep to the prompt.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Gives the same image each time.")] = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many images.")] = 1,
    image: Annotated[
        Path | None, typer.Option("--image", exists=True, dir_okay=False, help="An image to begin from.")
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option("--mask", exists=True, dir_okay=False, help="The part of it to generate anew, in white."),
    ] = None,
    strength: Annotated[float | None, typer.Option(min=0, max=1, help="How much of the image may change.")] = None,
    job: AsJob = False,
    address: Address = None,
    json: Json = False,
) -> None:
    """Generate images from a text, and perhaps an image."""
    kind = _FORMATS.get(out.suffix.lower())
    if kind is None:
        fail(f"`--out`: the name `{out}` ends in none of {', '.join(_FORMATS)}")
    width, height = read_size(size)
    options = {
        "negative_prompt": negative_prompt,
        "width": width,
        "height": height,
        "steps": steps,
        "guidance_scale": guidance_scale,
        "strength": strength,
        "seed": seed,
        "count": count,
        "format": kind,
        "image": image,
        "mask": mask,
    }
    if job:
        with client_at(address) as client:
            tell_submitted(_submitted(client, prompt, model, options), json=json)
        return
    files = [out] if count == 1 else [out.with_stem(f"{out.stem}-{number}") for number in range(1, count + 1)]
    for file in files:
        check_file("--out", file)
    with client_for(model, address) as client:
        images = _generated(client, prompt, model, files, quiet=json, options=options)
    if json:
        print_json([_told(file, each) for file, each in zip(files, images, strict=True)])


def _generated(
    client: Client, prompt: str, model: str, files: list[Path], *, quiet: bool, options: dict[str, Any]
) -> list[GeneratedImage]:
    """The images, each written when it is there; leaving by Ctrl-C ends the work."""
    from panope_server.cli.output.steps import StepBar

    images: list[GeneratedImage] = []
    with StepBar(len(files), quiet=quiet) as bar:
        for response in client.stream_generate_images(prompt, model, **options):
            if response.HasField("progress"):
                bar.show(response.progress.index, response.progress.step, response.progress.steps)
                continue
            image, file = response.image, files[response.image.index]
            images.append(image)
            try:
                file.write_bytes(image.content)
            except OSError as error:
                fail(f"`{file}` cannot be written: {error.strerror or type(error).__name__}")
            if image.flagged:
                note(f"the model's safety checker took offence: {file} is black")
            if not quiet:
                told = f"{file}: {image.width} × {image.height}, seed {image.seed}"
                console.print(told, markup=False, highlight=False)
    return images


def _submitted(client: Client, prompt: str, model: str, options: dict[str, Any]) -> Job:
    return client.submit_images(prompt, model, **options)


def _told(file: Path, image: GeneratedImage) -> dict[str, Any]:
    return {
        "file": str(file),
        "width": image.width,
        "height": image.height,
        "seed": image.seed,
        "flagged": image.flagged,
    }


def read_size(text: str) -> tuple[int, int]:
    """Width and height of a size such as `512x512`; 0 for none."""
    if not text:
        return 0, 0
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        fail(f"`--size`: `{text}` is no size such as 512x512")
    return int(width), int(height)
