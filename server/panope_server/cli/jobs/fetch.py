"""The command that brings the files that a job has made, from a running server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from panope_server.cli.client import client_at
from panope_server.cli.options import Address, Json
from panope_server.cli.output.console import bytes_text, console, fail, print_json
from panope_server.cli.output.files import check_file

if TYPE_CHECKING:
    from collections.abc import Iterable


def fetch(
    job_id: Annotated[int, typer.Argument(help="The job's id.", min=1)],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file to write; of several, their numbers follow.")
    ] = None,
    address: Address = None,
    json: Json = False,
) -> None:
    """Bring the files of a job that has succeeded; by default to `job-ID-NAME`."""
    with client_at(address) as client:
        made = client.job(job_id).files
        if not made:
            fail(f"job {job_id} has no files: it has not succeeded, makes none, or they have expired")
        files = [_place(out, job_id, file.name, len(made)) for file in made]
        for place in files:
            check_file("--out", place)
        for place, file in zip(files, made, strict=True):
            _write(place, client.stream_job_file(job_id, file.name))
            if not json:
                console.print(f"{place}: {bytes_text(file.size_bytes)}", markup=False, highlight=False)
    if json:
        told = [{"file": str(place), "sha256": file.sha256} for place, file in zip(files, made, strict=True)]
        print_json(told)


def _place(out: Path | None, job_id: int, name: str, count: int) -> Path:
    if out is None:
        return Path(f"job-{job_id}-{name}")
    return out if count == 1 else out.with_stem(f"{out.stem}-{Path(name).stem}")


def _write(place: Path, pieces: Iterable[bytes]) -> None:
    try:
        with place.open("wb") as file:
            for piece in pieces:
                file.write(piece)
    except OSError as error:
        fail(f"`{place}` cannot be written: {error.strerror or type(error).__name__}")
