"""Runs a job: its call through the pipeline, as its caller, into files."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from panope_backends.errors import CapacityError, LoadingError, PanopeError, PreconditionError, ShuttingDownError
from panope_registry.access.priority import Priority
from panope_registry.job_files import JobFile, JobFiles
from panope_registry.jobs import JobContext, JobEntry, Postponed
from panope_registry.jobs.types import RUN
from panope_registry.tables.columns import now
from panope_server.access.principal import set_principal
from panope_server.generation_jobs.callers import Keys, known_again
from panope_server.generation_jobs.inputs import FOR_EVER, file_names, joined, task_of_kind
from panope_server.generation_jobs.results import ResultWriter, progress_of, unit_of
from panope_server.observability import request_id
from panope_server.pipeline.call import NO_STORE, Call
from panope_server.runtime.async_registry.threads import call_store
from panope_server.tasks.task import Input, Output

MAX_WAIT = timedelta(days=1)
"""How long a job is put off while its model loads, or its caller is past its limits, before that is its failure."""

WAIT_SECONDS = 2.0
MAX_WAIT_SECONDS = 60.0
"""Between two attempts meanwhile: what an error asks for, within these two."""


class Streams(Protocol):
    """Answers calls part by part."""

    def stream(self, call: Call) -> AbstractAsyncContextManager[AsyncIterator[Output]]:
        """The parts of a call's answer as they come; leaving the block before the end cancels the call."""


class GenerationHandler:
    """Runs jobs on the event loop for runners, which have threads.

    Args:
        loop: that the pipeline runs on.
        pipeline: answers calls.
        keys: know callers again.
        files: of jobs.
        timeout_seconds: the longest time of one attempt.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, pipeline: Streams, keys: Keys, files: JobFiles, timeout_seconds: float
    ) -> None:
        self._loop = loop
        self._pipeline = pipeline
        self._keys = keys
        self._files = files
        self._timeout_seconds = timeout_seconds

    def __call__(self, context: JobContext) -> Mapping[str, Any]:
        """Does the job in the loop and waits for it; what interrupts the job cancels its call."""
        return asyncio.run_coroutine_threadsafe(self._interruptible(context), self._loop).result()

    async def _interruptible(self, context: JobContext) -> Mapping[str, Any]:
        task = asyncio.current_task()
        assert task is not None, "it was made for this"
        context.on_interruption(lambda: self._loop.call_soon_threadsafe(task.cancel))
        try:
            return await self._run(context)
        except asyncio.CancelledError:
            context.check()
            raise

    async def _run(self, context: JobContext) -> Mapping[str, Any]:
        job = context.job
        set_principal(await known_again(job.payload[RUN]["caller"], self._keys))
        if (made := await call_store(self._files.kept, job)) is not None:
            # A process died between keeping the files and the job's end: its inputs have gone, and all is made.
            return _result(job.payload["model"], made, job)
        folder = self._files.folder_of(job)
        call = self._call_of(job, await call_store(_read, job, folder))
        request_id.current.set(call.request_id)
        context.progress("generate", unit=unit_of(call.input))
        try:
            return await self._generate(context, call, folder)
        except (CapacityError, LoadingError, ShuttingDownError) as error:
            raise _put_off(job, error) from None

    async def _generate(self, context: JobContext, call: Call, folder: Path) -> Mapping[str, Any]:
        writer = ResultWriter(folder, call.input)
        kept = False
        try:
            async with self._pipeline.stream(call) as parts:
                async for part in parts:
                    if (told := progress_of(call.input, part)) is not None:
                        context.progress("generate", *told, unit=unit_of(call.input))
                    else:
                        await call_store(writer.put, part)
            files = await call_store(writer.finish)
            inputs = file_names(context.job.payload["input"])
            entry = await call_store(self._files.keep, context.job, files, inputs)
            kept = True
        finally:
            await asyncio.shield(call_store(writer.close, keep=kept))
        return _result(call.model, files, entry)

    def _call_of(self, job: JobEntry, task_input: Input) -> Call:
        run = job.payload[RUN]
        asked, keep_alive = run["priority"], run["keep_alive"]
        return Call(
            requested_model=job.payload["model"],
            input=task_input,
            task=task_of_kind(job.kind),
            interface=run["interface"],
            request_id=run["request_id"],
            deadline=time.monotonic() + self._timeout_seconds,
            caller=run["flow"],
            asked_priority=None if asked is None else Priority(asked),
            session=run["session"],
            user=run["user"],
            hardware=tuple(run.get("hardware", ())),  # jobs of older servers may still wait, or be tried again
            cache_control=NO_STORE,
            keep_alive=math.inf if keep_alive == FOR_EVER else keep_alive,
        )


def _result(model: str, files: Sequence[JobFile], entry: JobEntry) -> Mapping[str, Any]:
    assert entry.files_until is not None, "they were kept"
    until = entry.files_until.isoformat().replace("+00:00", "Z")
    return {"model": model, "files": [file.values for file in files], "expires_at": until}


def _read(job: JobEntry, folder: Path) -> Input:
    try:
        return joined(job.kind, job.payload["input"], folder)
    except OSError:
        raise PreconditionError("the files that the job takes have gone", reason="job_files_expired") from None


def _put_off(job: JobEntry, error: PanopeError) -> BaseException:
    """What is raised instead of an error that time mends: the job is tried again, and no attempt is lost."""
    if error.retry_after_seconds is None or now() - job.created_at > MAX_WAIT:
        return error
    return Postponed(min(max(error.retry_after_seconds, WAIT_SECONDS), MAX_WAIT_SECONDS))
