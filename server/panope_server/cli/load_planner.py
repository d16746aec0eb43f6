"""The planner of loads, for commands that ask how a model would run, with no server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from panope_registry.job_handlers.requests import BuildRequest, enqueue_build
from panope_registry.jobs import JobEntry, JobStatus
from panope_registry.session import RegistrySession
from panope_server.cli.jobs.foreground import run_to_end
from panope_server.cli.output.logs import log_to_file
from panope_server.cli.output.progress import Bars
from panope_server.config import Settings
from panope_server.runtime.async_registry.leases import ModelLeases
from panope_server.runtime.hardware.hardware import Hardware
from panope_server.runtime.models.loading.build_jobs import job_error
from panope_server.runtime.placement.memory_budget import MemoryBudget
from panope_server.runtime.placement.planning.load_planner import LoadPlanner
from panope_server.tasks.catalog import register_installed


@asynccontextmanager
async def load_planner(settings: Settings, session: RegistrySession) -> AsyncIterator[LoadPlanner]:
    """Plans loads on this machine's hardware; the files that it opens are leased until the block ends."""
    register_installed()
    log_to_file(settings)
    leases = ModelLeases(session.retention)
    hardware = Hardware.for_settings(settings)

    def build(request: BuildRequest) -> JobEntry:
        job = enqueue_build(session.jobs, request, "cli", store=session.store.id)
        (job,) = run_to_end(settings, session, [job], Bars(quiet=True))
        if job.status is not JobStatus.SUCCEEDED:
            raise job_error(job)
        return job

    async def run_build(request: BuildRequest) -> JobEntry:
        return await asyncio.to_thread(build, request)

    try:
        yield LoadPlanner(settings, session.registry, hardware, session.profiles, MemoryBudget(), leases, run_build)
    finally:
        await leases.close()
