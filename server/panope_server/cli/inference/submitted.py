"""What commands say that leave their work to a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from panope_server.cli.output.console import console, print_json

if TYPE_CHECKING:
    from panope_client import Job

AsJob = Annotated[
    bool,
    typer.Option(
        "--job", help="Leave it to a job, whose files `panope jobs fetch` brings; `--out` says their format alone."
    ),
]


def tell_submitted(job: Job, *, json: bool) -> None:
    """The job's id, and what to do with it."""
    if json:
        print_json({"id": job.id, "kind": job.kind})
        return
    console.print(f"job {job.id}; `panope jobs watch {job.id}`, then `panope jobs fetch {job.id}`", highlight=False)
