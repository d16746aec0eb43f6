"""The command that generates videos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from panope_server.cli.client import client_at, client_for
from panope_server.cli.inference.generate_image import read_size
from panope_server.cli.inference.submitted import AsJob, tell_submitted
from panope_server.cli.options import Address, Json, Model
from panope_server.cli.output.console import console, fail, print_json
from panope_server.cli.output.files import check_file

if TYPE_CHECKING:
    from panope_client import GenerateVideoOptions

#: What names of files end in, and the formats that they say.
_FORMATS = {".mp4": "mp4", ".webm": "webm"}


def generate_video(
    model: Model,
    prompt: Annotated[str, typer.Argument(help="What is to be seen.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write: .mp4 or .webm.")] = Path("video.mp4"),
    image: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="An image that the video begins with.")
    ] = None,
    negative_prompt: Annotated[str | None, typer.Option(help="What is not to be seen.")] = None,
    size: Annotated[str, typer.Option(help="Such as 832x480; by default the model's own.")] = "",
    frames: Annotated[int, typer.Option(min=0, help="How many; by default the model's own.")] = 0,
    fps: Annotated[
        int, typer.Option("--fps", min=0, help="Frames that are shown in a second; by default the model's own.")
    ] = 0,
    steps: Annotated[int, typer.Option(min=0, help="Denoising steps; by default the model's own.")] = 0,
    guidance_scale: Annotated[float | None, typer.Option(min=0, help="How closely to keep to the prompt.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Gives the same video each time.")] = None,
    job: AsJob = False,
    address: Address = None,
    json: Json = False,
) -> None:
    """Generate a video from a text, and perhaps an image."""
    from panope_client.messages.video import video_of
    from panope_server.cli.output.steps import StepBar

    kind = _FORMATS.get(out.suffix.lower())
    if kind is None:
        fail(f"`--out`: the name `{out}` ends in none of {', '.join(_FORMATS)}")
    width, height = read_size(size)
    options: GenerateVideoOptions = {
        "negative_prompt": negative_prompt,
        "width": width,
        "height": height,
        "frames": frames,
        "frames_per_second": fps,
        "steps": steps,
        "guidance_scale": guidance_scale,
        "seed": seed,
        "format": "webm" if kind == "webm" else "mp4",
        "image": image,
    }
    if job:
        with client_at(address) as client:
            tell_submitted(client.submit_video(prompt, model, **options), json=json)
        return
    check_file("--out", out)
    pieces = []
    with client_for(model, address) as client, StepBar(quiet=json) as bar:
        for response in client.stream_generate_video(prompt, model, **options):
            if response.HasField("video"):
                pieces.append(response.video)
            else:
                bar.show(0, response.progress.step, response.progress.steps)
        video = video_of(pieces)
    try:
        out.write_bytes(video.content)
    except OSError as error:
        fail(f"`{out}` cannot be written: {error.strerror or type(error).__name__}")
    if json:
        told = {"file": str(out), "width": video.width, "height": video.height, "frames": video.frames}
        print_json(told | {"frames_per_second": video.frames_per_second, "seed": video.seed})
        return
    what = f"{out}: {video.width} × {video.height}, {video.frames} frames at {video.frames_per_second:g} a second"
    console.print(f"{what}, seed {video.seed}", markup=False, highlight=False)
