"""Generations by jobs, as the settings say."""

from __future__ import annotations

from panope_registry.job_files import JobFiles, JobFilesPolicy
from panope_registry.session import RegistrySession
from panope_server.config import Settings


def job_files_for(settings: Settings, session: RegistrySession) -> JobFiles:
    """The files of jobs in this server's store."""
    wanted = settings.generation_jobs
    policy = JobFilesPolicy(
        wanted.max_size, wanted.max_caller_size, wanted.max_caller_jobs, keep_seconds=wanted.keep_hours * 3600
    )
    return JobFiles(session.jobs, session.store, policy)
