"""What servicers stand on: one value, which each takes its parts from."""

from __future__ import annotations

from dataclasses import dataclass

from panope_server.config import Settings
from panope_server.transport.health import Health
from panope_server.transport.interfaces import (
    Acquisition,
    Aliases,
    GenerationJobs,
    Jobs,
    Keys,
    ModelAdmin,
    Models,
    Pipeline,
    ResponseCache,
    Routes,
    Usage,
)
from panope_server.transport.running_calls import RunningCalls


@dataclass(frozen=True)
class Services:
    """The layers below, as servicers see them.

    Attributes:
        settings: of the server.
        pipeline: runs inputs on models.
        models: lists, loads and unloads models.
        model_admin: pins and deletes models.
        acquisition: registers, downloads and builds models, by jobs.
        jobs: lists, cancels and follows jobs.
        generation_jobs: accepts generations as jobs.
        aliases: the names that point to models.
        routes: how calls of aliases with several targets are split.
        usage: what callers have used.
        keys: API keys that callers may manage.
        cache: the response cache.
        health: serves grpc.health.v1.
        calls: counts the calls that run.
    """

    settings: Settings
    pipeline: Pipeline
    models: Models
    model_admin: ModelAdmin
    acquisition: Acquisition
    jobs: Jobs
    generation_jobs: GenerationJobs
    aliases: Aliases
    routes: Routes
    usage: Usage
    keys: Keys
    cache: ResponseCache
    health: Health
    calls: RunningCalls
