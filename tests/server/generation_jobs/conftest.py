"""Jobs that a real runner takes from a real table, over a pipeline whose end is made up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from panope_backends.api import Device
from panope_registry.job_files import JobFiles, JobFilesPolicy
from panope_registry.jobs import JobEntry
from panope_registry.jobs.kinds import GENERATION
from panope_registry.models.types import ModelEntry
from panope_registry.session import RegistrySession
from panope_server.access.principal import Principal, current_principal
from panope_server.config import Settings
from panope_server.generation_jobs.handler import GenerationHandler
from panope_server.generation_jobs.jobs import GenerationJobs
from panope_server.generation_jobs.runner import GenerationRunner
from panope_server.pipeline.call import Call
from panope_server.pipeline.hardware import KnownHardware
from panope_server.pipeline.resolve import Resolve
from panope_server.pipeline.step import Pipeline
from panope_server.pipeline.validate import Validate
from panope_server.runtime.async_registry.jobs import AsyncJobs
from panope_server.runtime.authorized.jobs import AuthorizedJobs
from panope_server.runtime.models.directory import ResolvedModel
from panope_server.runtime.names import ResolvedName

MODEL = "acme/wan"
DEVICES = (Device("cpu", "CPU"), Device("openvino", "CPU"))


class Directory:
    """Knows one model, of whatever task is asked for."""

    def __init__(self) -> None:
        self.task = "video-generation"

    async def resolve(self, name: str) -> ResolvedModel:
        entry = ModelEntry(name, self.task, "", datetime(2026, 1, 2, tzinfo=UTC), {}, (), {})
        return ResolvedModel(ResolvedName(name, ""), entry)

    async def default_for(self, task: str) -> str | None:
        return MODEL


@dataclass
class Keys:
    """Knows keys that have not ended."""

    live: dict[str, Principal] = field(default_factory=dict)

    async def principal_of_key(self, key_id: str) -> Principal | None:
        return self.live.get(key_id)


@dataclass
class Server:
    """Accepts jobs and runs them."""

    session: RegistrySession
    files: JobFiles
    jobs: GenerationJobs
    authorized: AuthorizedJobs
    table: AsyncJobs
    keys: Keys
    directory: Directory
    runner: GenerationRunner
    answer: Callable[[Call], Awaitable[None]] | None = None
    calls: list[tuple[Call, Principal]] = field(default_factory=list)

    async def end(self, call: Call) -> None:
        self.calls.append((call, current_principal()))
        assert self.answer is not None
        await self.answer(call)

    async def ended(self, job: JobEntry) -> JobEntry:
        """The job when it has ended."""
        async for seen in self.table.watch(job.id):
            job = seen
        return job


@pytest.fixture
def session(tmp_path: Path) -> Iterator[RegistrySession]:
    with RegistrySession.open(tmp_path / "registry.sqlite3", tmp_path / "home") as session:
        yield session


@pytest.fixture
async def server(session: RegistrySession) -> AsyncIterator[Server]:
    settings = Settings()
    files = JobFiles(session.jobs, session.store, JobFilesPolicy())
    table, audit, directory, keys = AsyncJobs(session.jobs, 0.02, files), Mock(), Directory(), Keys()
    audit.recording = _unrecorded
    authorized = AuthorizedJobs(table, audit)
    steps: list[Any] = [Validate(settings.limits), Resolve(directory), KnownHardware(lambda: DEVICES)]
    jobs = GenerationJobs(steps, lambda _model: None, files, authorized, audit)
    runner = GenerationRunner(settings, session.jobs, session.store.id)
    made = Server(session, files, jobs, authorized, table, keys, directory, runner)
    handler = GenerationHandler(asyncio.get_running_loop(), Pipeline(steps, made.end), keys, files, 60.0)
    runner.start(dict.fromkeys(GENERATION, handler))
    yield made
    await runner.stop()


def _unrecorded(*_: object) -> Any:
    return nullcontext()


@pytest.fixture
def ada() -> Principal:
    return Principal("ada", "k1")
