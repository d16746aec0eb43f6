"""Jobs: work that takes minutes, kept in the database and done once by whichever runner claims it, crashes or not."""

from panope_registry.jobs.context import Interrupted, JobCancelled, JobContext, LeaseLost, Postponed, RunnerStopping
from panope_registry.jobs.failure import JOB_RETRIES
from panope_registry.jobs.pruning import Retention
from panope_registry.jobs.queue import Jobs
from panope_registry.jobs.runner import Handler, Runner
from panope_registry.jobs.types import JobEntry, JobPart, JobProgress, JobStatus

__all__ = [
    "JOB_RETRIES",
    "Handler",
    "Interrupted",
    "JobCancelled",
    "JobContext",
    "JobEntry",
    "JobPart",
    "JobProgress",
    "JobStatus",
    "Jobs",
    "LeaseLost",
    "Postponed",
    "Retention",
    "Runner",
    "RunnerStopping",
]
