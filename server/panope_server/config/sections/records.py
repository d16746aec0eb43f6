"""What is kept of jobs and of calls: the sections `[jobs]`, `[inference_log]` and `[usage]`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class JobSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How many jobs run at a time, when one goes to another worker, and how long ended ones are remembered."""

    concurrency: Annotated[
        int,
        Meta(
            ge=0, le=64, description="Jobs (syncs, downloads) that this server runs at a time; 0 leaves them to others."
        ),
    ] = 1
    lease_seconds: Annotated[
        float, Meta(ge=1, le=3600, description="A job whose worker says nothing for so long goes to another.")
    ] = 30.0
    retention_days: Annotated[
        float,
        Meta(
            ge=0,
            le=36500,
            description="Days after its end that a job is kept, or as long as a job that refers to it; 0 for ever.",
        ),
    ] = 30.0
    retention_count: Annotated[
        int, Meta(ge=0, description="Of the jobs that have ended, so many of the newest are kept; 0 for all.")
    ] = 10_000


class InferenceLogSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """A sample of calls that is kept in the registry's table `inference_log`: names, times and sizes; `panope log`."""

    sample_ratio: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(description="The part of the requests, from 0 to 1; unless set, 0.01 on PostgreSQL and 0 on SQLite."),
    ] = None
    retention_days: Annotated[int, Meta(ge=1, description="After so many days they are deleted.")] = 30
    prompts: Annotated[
        bool, Meta(description="Whether the texts of their inputs are kept too, cut to 8 KiB; answers never are.")
    ] = False


class UsageSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What callers have used, by the hour: requests, tokens, bytes and device time of each caller, model and task."""

    retention_days: Annotated[
        float, Meta(ge=0, le=36500, description="After so many days it is deleted; 0 keeps it for ever.")
    ] = 400.0
