"""Commands on jobs, long work; no server is needed but to fetch files, and a running one sees the changes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from panope_server.cli.jobs.fetch import fetch
from panope_server.cli.options import ConfigFile, Home, Json, settings_for
from panope_server.cli.output.console import bytes_text, console, fail, print_json, print_table
from panope_server.cli.registry_session import registry_session, user_name

if TYPE_CHECKING:
    from panope_registry.jobs import JobEntry, Jobs

jobs = typer.Typer(
    help="List, watch, cancel and retry jobs, and fetch their files.",
    invoke_without_command=True,
    no_args_is_help=False,
)

JobId = Annotated[int, typer.Argument(help="The job's id.", min=1)]
Status = Annotated[str, typer.Option("--status", help="Only jobs in this state, such as `failed`.")]
Kind = Annotated[str, typer.Option("--kind", help="Only jobs of this kind, such as `repo_sync`.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many.")]

DEFAULT_LIMIT = 50
WATCH_SECONDS = 0.5
STORE_LETTERS = 8
"""So much of a store's id tells it from the others that share a database."""


@jobs.callback()
def list_without_command(
    context: typer.Context,
    status: Status = "",
    kind: Kind = "",
    limit: Limit = DEFAULT_LIMIT,
    home: Home = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """List jobs, newest first, when no command is given."""
    if context.invoked_subcommand is None:
        ls(status, kind, limit, home, json, config)
    elif (status, kind, limit, home, json, config) != ("", "", DEFAULT_LIMIT, None, False, None):
        fail(f"options of `{context.invoked_subcommand}` stand after it", 2)


@jobs.command("list", hidden=True)
@jobs.command("ls")
def ls(
    status: Status = "",
    kind: Kind = "",
    limit: Limit = DEFAULT_LIMIT,
    home: Home = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """List jobs, newest first."""
    from panope_server.transport.job_json import job_json

    with registry_session(settings_for(home, config=config)) as session:
        entries = session.jobs.list(status=status, kind=kind, limit=limit)
    if json:
        print_json([job_json(job) for job in entries])
        return
    rows = (
        (
            str(job.id),
            job.kind,
            subject_of(job),
            job.status.value,
            _state_text(job, session.store.id),
            _age(job.created_at),
        )
        for job in entries
    )
    print_table(("ID", "KIND", "OF", "STATE", "PROGRESS", "AGE"), rows, empty="no jobs")


@jobs.command("show")
def show(job_id: JobId, home: Home = None, json: Json = False, config: ConfigFile = None) -> None:
    """Tell everything about a job."""
    with registry_session(settings_for(home, config=config)) as session:
        _tell(session.jobs.get(job_id), json=json)


@jobs.command("cancel")
def cancel(job_id: JobId, home: Home = None, json: Json = False, config: ConfigFile = None) -> None:
    """Ask a job to end; what it has downloaded is kept."""
    with registry_session(settings_for(home, config=config)) as session:
        with session.audit.recording(user_name(), "jobs.cancel", str(job_id)):
            job = session.jobs.cancel(job_id)
        _tell(job, json=json)


@jobs.command("retry")
def retry(job_id: JobId, home: Home = None, json: Json = False, config: ConfigFile = None) -> None:
    """Queue a failed or cancelled job again."""
    with registry_session(settings_for(home, config=config)) as session:
        with session.audit.recording(user_name(), "jobs.retry", str(job_id)):
            job = session.jobs.retry(job_id)
        _tell(job, json=json)


@jobs.command("watch")
def watch(job_id: JobId, home: Home = None, json: Json = False, config: ConfigFile = None) -> None:
    """Follow a job to its end; with --json, one line for each change. The exit code is 0 when it succeeded."""
    import orjson

    from panope_registry.jobs import JobStatus
    from panope_server.cli.output.progress import Bars
    from panope_server.transport.job_json import job_json

    with registry_session(settings_for(home, config=config)) as session:
        job = session.jobs.get(job_id)
        with Bars(quiet=json) as bars:
            for job in changes(session.jobs, job_id):
                bars.show(job)
                if json:
                    typer.echo(orjson.dumps(job_json(job)).decode())
                elif not console.is_terminal:
                    console.print(f"{job.id}  {job.status.value}  {progress_text(job)}")
    if job.status is not JobStatus.SUCCEEDED:
        if job.error_message and not json:
            fail(job.error_message)
        raise SystemExit(1)


jobs.command("fetch")(fetch)


def changes(table: Jobs, job_id: int) -> Iterator[JobEntry]:
    """The job as it is, then whenever it changes, up to its end."""
    seen = table.get(job_id)
    yield seen
    while not seen.status.is_final:
        time.sleep(WATCH_SECONDS)
        job = table.get(job_id)
        if job != seen:
            seen = job
            yield job


def subject_of(job: JobEntry) -> str:
    """What a job is about: the model's name, or the first digits of a variant's digest."""
    name = job.payload.get("model") or str(job.payload.get("variant", ""))[:12]
    return name if isinstance(name, str) and name else "-"


def progress_text(job: JobEntry) -> str:
    """How far a job is, or was at its end; or why it failed."""
    if job.error_reason and job.finished_at is not None:
        return job.error_reason
    done, total = job.progress.done, job.progress.total
    if job.progress.unit == "bytes":
        told = f"{bytes_text(done)} of {bytes_text(total)}" if total else bytes_text(done)
    elif total:
        told = f"{done:,} of {total:,} {job.progress.unit}"
    else:
        told = ""
    phase = "" if job.status.is_final else job.progress.phase
    return " ".join(part for part in (phase, told) if part) or "-"


def _state_text(job: JobEntry, store: str) -> str:
    """How far a job is; of one that only another machine's workers take, whose."""
    told = progress_text(job)
    if job.store in (None, store):
        return told
    where = f"{'waits' if job.status.value == 'queued' else 'is'} for store {job.store[:STORE_LETTERS]}"
    return where if told == "-" else f"{told}, {where}"


def _tell(job: JobEntry, *, json: bool) -> None:
    from panope_server.transport.job_json import job_json

    document = job_json(job)
    if json:
        print_json(document)
        return
    for name, value in document.items():
        if value not in (None, "", [], {}):
            console.print(f"{name}: {value}", soft_wrap=True)


def _age(moment: datetime) -> str:
    seconds = max(0, int((datetime.now(moment.tzinfo) - moment).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
