"""Accepts generations as jobs, and hands out the files that they have made."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from panope_backends.errors import InvalidInputError, UnauthenticatedError
from panope_registry.job_files import JobFile, JobFiles
from panope_registry.jobs import JobEntry
from panope_registry.jobs.types import RUN
from panope_server.access.principal import Principal, current_principal, recorded_name
from panope_server.generation_jobs.callers import told
from panope_server.generation_jobs.inputs import FOR_EVER, KINDS, fingerprint, split
from panope_server.pipeline.call import Call
from panope_server.pipeline.step import Pipeline, Step
from panope_server.runtime.async_registry.audit import AuditTrail
from panope_server.runtime.async_registry.threads import call_store
from panope_server.runtime.authorized.jobs import AuthorizedJobs
from panope_server.runtime.models.directory import ResolvedModel
from panope_server.tasks.catalog import task_of


@dataclass(frozen=True)
class ServedFile:
    """A file of a job, and where it is."""

    job: JobEntry
    file: JobFile
    path: Path


class GenerationJobs:
    """The jobs of callers.

    Args:
        steps: that a call passes before it is accepted: those that refuse what no model could run, or the caller may
            not ask for.
        facts_of: what is known of a model that has been loaded; None for nothing.
        files: of jobs.
        jobs: as their callers may see them.
        audit: records what is deleted.
    """

    def __init__(
        self,
        steps: list[Step],
        facts_of: Callable[[ResolvedModel], object],
        files: JobFiles,
        jobs: AuthorizedJobs,
        audit: AuditTrail,
    ) -> None:
        self._facts_of = facts_of
        self._accept = Pipeline(steps, self._check)
        self._files = files
        self._jobs = jobs
        self._audit = audit

    async def submit(self, call: Call, interface: str, idempotency_key: str = "") -> JobEntry:
        """Accepts a call; the job that will run it.

        Args:
            call: to run.
            interface: that was used, such as `rest`, for records of callers who are not known.
            idempotency_key: by which its caller knows the request; the job that it has made already is the answer.

        Raises:
            InvalidInputError: another request has made a job with the key (`idempotency_key_reused`).
            UnauthenticatedError: nobody would know whose job it is.
            PanopeError: as of a call that is run, and of `JobFiles.enqueue`.
        """
        principal = current_principal()
        if not (principal.flow or principal.is_admin):
            raise UnauthenticatedError("a job belongs to its caller: send an API key", reason="missing_api_key")
        await self._accept.take(call)
        return await call_store(partial(self._enqueue, call, principal, recorded_name(interface), idempotency_key))

    async def file(self, job_id: int, name: str = "") -> ServedFile:
        """A file of the caller's job, the first where none is named; errors as of `JobFiles.find`."""
        job = await self._jobs.get(job_id)
        file, path = await call_store(self._files.find, job, name)
        return ServedFile(job, file, path)

    async def delete_files(self, job_id: int) -> JobEntry:
        """Removes the files of the caller's job before their time; errors as of `JobFiles.delete`."""
        with self._audit.recording("jobs.delete_files", str(job_id)):
            job = await self._jobs.get(job_id)
            return await call_store(self._files.delete, job)

    async def _check(self, call: Call) -> None:
        """The end of the way: what a loaded model tells may refuse the call as well."""
        assert call.resolved is not None, "the step Resolve comes before"
        task_of(call.input).check(call.input, self._facts_of(call.resolved))

    def _enqueue(self, call: Call, principal: Principal, requested_by: str, key: str) -> JobEntry:
        values, files = split(call.input)
        kind = KINDS[task_of(call.input).name]
        asked = (kind, call.requested_model, values, call.hardware)
        mark = fingerprint(*asked, files=files) if key else ""
        run = {
            "caller": told(principal),
            "flow": call.caller,
            "interface": call.interface,
            "request_id": call.request_id,
            "keep_alive": _kept(call.keep_alive),
            "priority": None if call.asked_priority is None else int(call.asked_priority),
            "session": call.session,
            "user": call.user,
            "hardware": list(call.hardware),
            "fingerprint": mark,
        }
        payload = {"model": call.requested_model, "input": values, RUN: run}
        job = self._files.enqueue(kind, payload, files, owner=principal.flow, requested_by=requested_by, key=key)
        if job.payload[RUN]["fingerprint"] != mark:
            raise InvalidInputError.at(
                "idempotency-key",
                "{field} is that of another request, of job {job}",
                job=job.id,
                reason="idempotency_key_reused",
            )
        return job


def _kept(keep_alive: float | None) -> float | None:
    """As JSON has it, which knows no infinity: below 0 for ever."""
    return FOR_EVER if keep_alive == math.inf else keep_alive
