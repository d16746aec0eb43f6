"""The folders of jobs within a store: made, counted against limits, and removed when their time is over."""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, func, or_, select, update

from panope_backends.errors import CapacityError, NotFoundError, OverloadedError, PreconditionError
from panope_registry.job_files.writer import FileWriter
from panope_registry.jobs import JobEntry, Jobs, JobStatus
from panope_registry.jobs.clock import Clock
from panope_registry.jobs.types import OPEN
from panope_registry.store.files import disk_errors
from panope_registry.store.store import Store
from panope_registry.tables.database import Database
from panope_registry.tables.job_tables import job

ORPHAN_SECONDS = 3600.0
"""How old a folder is that no job has before it is taken for one of a process that died before it asked for its job."""

BATCH = 100
RETRY_SECONDS = 5.0
"""What callers with too many open jobs are told to wait: nobody knows when one ends."""

GONE = "410"

#: Beside the files of a job: what they are, before its result tells it.
_LIST = "files.json"


@dataclass(frozen=True)
class JobFilesPolicy:
    """The limits of jobs with files, in one store.

    Attributes:
        max_bytes: of the files of all jobs; 0 for no limit.
        max_caller_bytes: of those of one caller; 0 for no limit.
        max_caller_jobs: jobs of one caller that have not ended; 0 for no limit.
        keep_seconds: how long files stay after the end of their job.
    """

    max_bytes: int = 0
    max_caller_bytes: int = 0
    max_caller_jobs: int = 0
    keep_seconds: float = 86_400.0


@dataclass(frozen=True)
class JobFile:
    """A file that a job has made.

    Attributes:
        name: within the job.
        media_type: such as `video/mp4`.
        size_bytes: of it.
        sha256: of it.
        facts: what else is known of it, such as its `width`.
    """

    name: str
    media_type: str
    size_bytes: int
    sha256: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> JobFile:
        """Reads it from a job's result."""
        known = {name: values[name] for name in ("name", "media_type", "size_bytes", "sha256")}
        return cls(**known, facts={name: value for name, value in values.items() if name not in known})

    @property
    def values(self) -> dict[str, Any]:
        """As a job's result has it."""
        return {
            "name": self.name,
            "media_type": self.media_type,
            "size_bytes": self.size_bytes,
            "sha256": self.sha256,
            **self.facts,
        }


class JobFiles:
    """The files of jobs in one store. Safe for use by several threads and processes."""

    def __init__(self, jobs: Jobs, store: Store, policy: JobFilesPolicy) -> None:
        self._jobs = jobs
        self._database: Database = jobs.database
        self._clock: Clock = jobs.clock
        self._store = store
        self._policy = policy

    def enqueue(
        self,
        kind: str,
        payload: Mapping[str, Any],
        inputs: Mapping[str, bytes],
        *,
        owner: str,
        requested_by: str,
        key: str = "",
    ) -> JobEntry:
        """Asks for a job of a caller, with files that it takes; one that the key has already made is the answer.

        Args:
            kind: names the handler.
            payload: what it is to do.
            inputs: the contents of its files by their names.
            owner: the caller.
            requested_by: for people.
            key: the caller's name for what it asks for, known as long as the job has its files; empty for none.

        Raises:
            CapacityError: the disk is full (`disk_full`), or the files of jobs are past a limit (`job_files_full`).
            OverloadedError: the caller has too many jobs that have not ended (`too_many_jobs`).
            AvailabilityError: the database does not answer.
        """
        dedupe_key = f"{key}\n{owner}" if key else ""
        if (known := self._jobs.find(dedupe_key)) is not None:
            return known
        name = uuid.uuid4().hex
        folder = self._store.job_files / name
        size = sum(map(len, inputs.values()))

        def check(connection: Connection) -> None:
            self._check_open(connection, owner)
            self._check_fits(connection, owner, max(1, size))

        try:
            with disk_errors("the job's files"):
                folder.mkdir(mode=0o700)
                for file, content in inputs.items():
                    (folder / file).write_bytes(content)
            made = self._jobs.enqueue(
                kind,
                payload,
                dedupe_key=dedupe_key,
                max_attempts=3,
                requested_by=requested_by,
                store=self._store.id,
                owner=owner,
                folder=name,
                file_bytes=size,
                check=check,
            )
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        if made.folder != name:  # the same request came at the same time
            shutil.rmtree(folder, ignore_errors=True)
        return made

    def retry(self, job_id: int) -> JobEntry:
        """Brings a failed or cancelled job back; one of a caller counts among its open ones.

        Raises:
            OverloadedError: the caller has too many jobs that have not ended (`too_many_jobs`).
            PanopeError: as of `Jobs.retry`.
        """

        def check(connection: Connection, entry: JobEntry) -> None:
            if entry.owner is not None:
                self._check_open(connection, entry.owner)

        return self._jobs.retry(job_id, check)

    def folder_of(self, entry: JobEntry) -> Path:
        """Where a job's files are.

        Raises:
            PreconditionError: they have gone (`job_files_expired`).
        """
        folder = self._store.job_files / (entry.folder or "")
        if not entry.folder or not folder.is_dir():
            raise PreconditionError("the files of the job have expired; ask for it anew", reason="job_files_expired")
        return folder

    def keep(self, entry: JobEntry, files: Sequence[JobFile], inputs: Iterable[str]) -> JobEntry:
        """Counts what a job has made against the limits, from now on until its time is over; its inputs go.

        What there is, is written down beside it: who dies before the job has succeeded leaves it to the next attempt.

        Raises:
            CapacityError: it is past one of them (`job_files_full`), or the disk is full (`disk_full`); the files stay.
        """
        size = sum(file.size_bytes for file in files)
        self._write_list(self.folder_of(entry), files)
        with self._database.write() as connection:
            self._check_fits(connection, entry.owner or "", size, but=entry.id)
            until = self._clock(connection) + timedelta(seconds=self._policy.keep_seconds)
            mine = update(job).where(job.c.id == entry.id, job.c.folder == entry.folder)
            connection.execute(mine.values(file_bytes=size, files_until=until))
        folder = self.folder_of(entry)
        for name in inputs:
            (folder / name).unlink(missing_ok=True)
        return self._jobs.get(entry.id)

    def kept(self, entry: JobEntry) -> list[JobFile] | None:
        """What an attempt before has made and kept, without the job having succeeded; None where none has.

        Raises:
            PreconditionError: the job's files have gone (`job_files_expired`).
        """
        if entry.files_until is None:
            return None
        folder = self.folder_of(entry)
        try:
            files = [JobFile.of(values) for values in json.loads((folder / _LIST).read_bytes())]
            whole = all((folder / file.name).stat().st_size == file.size_bytes for file in files)
        except (OSError, ValueError):
            return None
        return files if whole else None

    @staticmethod
    def _write_list(folder: Path, files: Sequence[JobFile]) -> None:
        with FileWriter(folder, _LIST) as writer:
            writer.write(json.dumps([file.values for file in files]).encode())
            writer.finish()

    def find(self, entry: JobEntry, name: str) -> tuple[JobFile, Path]:
        """A file that a job has made, the first where none is named, and where it is.

        Raises:
            NotFoundError: the job has made none of that name, or its files have gone (`job_files_expired`).
            PreconditionError: the job has not succeeded, or has its files in another server's store.
        """
        if entry.status is not JobStatus.SUCCEEDED:
            raise PreconditionError(
                f"job {entry.id} is {entry.status} and has no files", reason="job_not_succeeded", field="job"
            )
        made = map(JobFile.of, entry.result.get("files", ()))
        file = next((file for file in made if name in ("", file.name)), None)
        if file is None:
            raise NotFoundError(f"job {entry.id} has no such file", reason="job_file_not_found", field="name")
        if entry.files_until is None or entry.files_until <= self._now():
            raise files_expired(entry.id)
        if entry.store != self._store.id:
            raise PreconditionError(
                f"the files of job {entry.id} are in the store `{entry.store}` of another server: ask that one",
                reason="job_files_elsewhere",
                field="job",
            )
        path = self._store.job_files / (entry.folder or "") / file.name
        if not path.is_file():
            raise files_expired(entry.id)
        return file, path

    def delete(self, entry: JobEntry) -> JobEntry:
        """Removes the files of a job that has ended, before their time.

        Raises:
            NotFoundError: there are none (`job_files_expired`).
            PreconditionError: it has not ended, or has them in another server's store.
        """
        if not entry.status.is_final:
            raise PreconditionError(
                f"job {entry.id} is {entry.status}: cancel it first", reason="job_not_ended", field="job"
            )
        if entry.folder is None:
            raise files_expired(entry.id)
        if entry.store != self._store.id:
            raise PreconditionError(
                f"the files of job {entry.id} are in the store `{entry.store}` of another server: ask that one",
                reason="job_files_elsewhere",
                field="job",
            )
        self._remove([(entry.id, entry.folder)])
        return self._jobs.get(entry.id)

    def sweep(self) -> int:
        """Removes the files of jobs whose time is over, and folders that no job has; how many."""
        removed = 0
        while over := self._over():
            self._remove(over)
            removed += len(over)
        return removed + self._remove_orphans()

    def _over(self) -> list[tuple[int, str]]:
        with self._database.read() as connection:
            moment = self._clock(connection)
            ended_before = moment - timedelta(seconds=self._policy.keep_seconds)
            past = or_(
                job.c.files_until <= moment,
                job.c.files_until.is_(None) & (job.c.finished_at <= ended_before),
            )
            mine = select(job.c.id, job.c.folder).where(job.c.folder.is_not(None), job.c.store == self._store.id)
            rows = connection.execute(mine.where(job.c.status.not_in(OPEN), past).limit(BATCH))
            return [(row.id, row.folder) for row in rows]

    def _remove(self, found: Sequence[tuple[int, str]]) -> None:
        """Forgets folders before they go: a process that dies between leaves some that no job has."""
        with self._database.write() as connection:
            ids = [job_id for job_id, _ in found]
            ended = update(job).where(job.c.id.in_(ids), job.c.status.not_in(OPEN))
            gone = {"folder": None, "file_bytes": 0, "files_until": self._clock(connection)}
            connection.execute(ended.values(gone))
        for _, folder in found:
            shutil.rmtree(self._store.job_files / folder, ignore_errors=True)

    def _remove_orphans(self) -> int:
        old = [path for path in self._store.job_files.iterdir() if _age(path) > ORPHAN_SECONDS]
        if not old:
            return 0
        names = [path.name for path in old]
        with self._database.read() as connection:
            known = set(connection.execute(select(job.c.folder).where(job.c.folder.in_(names))).scalars())
        orphans = [path for path in old if path.name not in known]
        for path in orphans:
            shutil.rmtree(path, ignore_errors=True)
        return len(orphans)

    def _check_open(self, connection: Connection, owner: str) -> None:
        most = self._policy.max_caller_jobs
        mine = select(func.count()).where(job.c.owner == owner, job.c.status.in_(OPEN))
        if most and connection.execute(mine).scalar_one() >= most:
            raise OverloadedError(
                f"{most:,} jobs of this caller wait or run already, which is the limit "
                "(`generation_jobs.max_caller_jobs`)",
                reason="too_many_jobs",
                retry_after_seconds=RETRY_SECONDS,
            )

    def _check_fits(self, connection: Connection, owner: str, size: int, but: int = 0) -> None:
        of_all = select(func.coalesce(func.sum(job.c.file_bytes), 0)).where(
            job.c.folder.is_not(None), job.c.store == self._store.id, job.c.id != but
        )
        of_owner = of_all.where(job.c.owner == owner)
        self._check_limit(connection, of_all, size, self._policy.max_bytes, "of all jobs", "max_bytes")
        limit = self._policy.max_caller_bytes
        self._check_limit(connection, of_owner, size, limit, "of this caller's jobs", "max_caller_bytes")

    @staticmethod
    def _check_limit(
        connection: Connection, taken: Select[Any], size: int, limit: int, whose: str, setting: str
    ) -> None:
        if limit and int(connection.execute(taken).scalar_one()) + size > limit:
            raise CapacityError(
                f"the files {whose} take {limit:,} bytes at most (`generation_jobs.{setting}`); delete some, or wait "
                "until they expire",
                reason="job_files_full",
            )

    def _now(self) -> datetime:
        with self._database.read() as connection:
            return self._clock(connection)


def files_expired(job_id: int) -> NotFoundError:
    """For files that were there and have gone."""
    return NotFoundError(
        f"the files of job {job_id} have expired",
        reason="job_files_expired",
        field="job",
        details={"http_status": GONE},
    )


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
