"""The command that makes frames between those of a video."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from panope_server.cli.client import client_at, client_for
from panope_server.cli.inference.submitted import AsJob, tell_submitted
from panope_server.cli.options import Address, Json, Model
from panope_server.cli.output.console import console, fail, print_json
from panope_server.cli.output.files import check_file

if TYPE_CHECKING:
    from panope_client.messages.interpolation import InterpolateVideoOptions

#: What names of files end in, and the formats that they say.
_FORMATS = {".mp4": "mp4", ".webm": "webm"}


def interpolate(
    model: Model,
    video: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The video, a file.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file to write: .mp4 or .webm; by default beside the video.")
    ] = None,
    factor: Annotated[
        int | None, typer.Option(min=2, max=16, help="Frames for each that there was; 2 by default.")
    ] = None,
    fps: Annotated[
        float | None, typer.Option("--fps", min=1, max=240, help="Frames in a second, in the place of --factor.")
    ] = None,
    job: AsJob = False,
    address: Address = None,
    json: Json = False,
) -> None:
    """Make frames between those of a video."""
    from panope_client.messages.video import video_of
    from panope_server.cli.output.steps import StepBar

    out = out or video.with_name(f"{video.stem}-interpolated.mp4")
    kind = _FORMATS.get(out.suffix.lower())
    if kind is None:
        fail(f"`--out`: the name `{out}` ends in none of {', '.join(_FORMATS)}")
    if factor and fps:
        fail("`--fps` and `--factor` say two things; give one")
    options: InterpolateVideoOptions = {"format": "webm" if kind == "webm" else "mp4"}
    if factor:
        options["factor"] = factor
    if fps:
        options["frames_per_second"] = fps
    if job:
        with client_at(address) as client:
            tell_submitted(client.submit_interpolation(video, model, **options), json=json)
        return
    check_file("--out", out)
    pieces = []
    with client_for(model, address) as client, StepBar(quiet=json, doing="interpolating", unit="frames") as bar:
        for response in client.stream_interpolate_video(video, model, **options):
            if response.HasField("video"):
                pieces.append(response.video)
            else:
                told = response.progress
                bar.show(0, told.frames, told.total_frames or None)
        made = video_of(pieces)
    try:
        out.write_bytes(made.content)
    except OSError as error:
        fail(f"`{out}` cannot be written: {error.strerror or type(error).__name__}")
    if json:
        facts = {"file": str(out), "width": made.width, "height": made.height, "frames": made.frames}
        print_json(facts | {"frames_per_second": made.frames_per_second, "has_audio": made.has_audio})
        return
    what = f"{out}: {made.width} × {made.height}, {made.frames} frames at {made.frames_per_second:g} a second"
    console.print(f"{what}{', with sound' if made.has_audio else ''}", markup=False, highlight=False)
