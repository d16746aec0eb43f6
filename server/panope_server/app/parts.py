"""The parts of a server between its registry and its ports: built here from the bottom up, started by `App`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from panope_registry.access.pepper import Peppers
from panope_registry.access.scopes import WRITE
from panope_registry.job_files import JobFiles
from panope_registry.serving_records.inference_log import InferenceLog
from panope_registry.session import RegistrySession
from panope_server.access.authentication import Authenticator
from panope_server.access.principal import Principal, set_principal
from panope_server.app.generation_jobs import job_files_for
from panope_server.app.hub import check_vendor
from panope_server.app.response_cache import ResponseCache, build_cache
from panope_server.config import Settings
from panope_server.config.remote import check_host
from panope_server.generation_jobs.jobs import GenerationJobs
from panope_server.generation_jobs.runner import GenerationRunner
from panope_server.observability.metrics import Metrics
from panope_server.pipeline.accounting.step import Accounting
from panope_server.pipeline.authorise import Authorise
from panope_server.pipeline.cache.admin import AuthorizedCache
from panope_server.pipeline.concurrency import Concurrency
from panope_server.pipeline.deadline.step import Deadline
from panope_server.pipeline.dispatch import Dispatch
from panope_server.pipeline.download import Download
from panope_server.pipeline.fetch_media import FetchMedia, ReadDataUrls
from panope_server.pipeline.hardware import Hardware as HardwareStep
from panope_server.pipeline.hardware import KnownHardware
from panope_server.pipeline.prioritize import Prioritize
from panope_server.pipeline.rate import Rate
from panope_server.pipeline.read_value import ReadValue
from panope_server.pipeline.resolve import Resolve
from panope_server.pipeline.route import RouteStep
from panope_server.pipeline.step import Pipeline, Step
from panope_server.pipeline.token_ids.step import TokenIds
from panope_server.pipeline.validate import Validate
from panope_server.runtime.async_registry.acquire import Acquisition, Conversions
from panope_server.runtime.async_registry.aliases import AsyncAliases
from panope_server.runtime.async_registry.audit import AuditTrail
from panope_server.runtime.async_registry.call_log import CallLog, sample_of
from panope_server.runtime.async_registry.jobs import AsyncJobs
from panope_server.runtime.async_registry.leases import ModelLeases
from panope_server.runtime.async_registry.limits import AsyncLimits
from panope_server.runtime.async_registry.usage import AsyncUsage, UsageWriter
from panope_server.runtime.async_registry.usage_journal import UsageJournal
from panope_server.runtime.authorized.acquisition import AuthorizedAcquisition
from panope_server.runtime.authorized.aliases import AuthorizedAliases
from panope_server.runtime.authorized.files import AuthorizedFiles
from panope_server.runtime.authorized.jobs import AuthorizedJobs
from panope_server.runtime.authorized.keys import AuthorizedKeys
from panope_server.runtime.authorized.models import AuthorizedModelAdmin, AuthorizedModels
from panope_server.runtime.authorized.routes import AuthorizedRoutes
from panope_server.runtime.authorized.usage import AuthorizedUsage
from panope_server.runtime.authorized.visibility import AuthorizedDirectory, Visibility
from panope_server.runtime.hardware.hardware import Hardware
from panope_server.runtime.media_files.fetcher import MediaFetcher
from panope_server.runtime.models.heartbeat import Heartbeat
from panope_server.runtime.models.manager import ModelDependencies, ModelEvents, ModelManager
from panope_server.runtime.models.model_admin import ModelAdmin
from panope_server.runtime.routing.observations import RouteObservations
from panope_server.runtime.routing.router import Router
from panope_server.runtime.status import ModelState
from panope_server.transport.errors import code_name
from panope_server.transport.grpc.services import PUBLIC_SERVICES
from panope_server.transport.health import Health
from panope_server.transport.permissions import Permission
from panope_server.transport.running_calls import RunningCalls
from panope_server.transport.services import Services


@dataclass(frozen=True)
class Parts:
    """What runs in the server's own process.

    Attributes:
        models: load and run models.
        heartbeat: reports their instances to the registry.
        jobs: the registry's jobs, for the event loop.
        call_log: samples calls; None when the settings ask for none.
        usage: counts what calls use.
        cache: keeps answers; None when the settings ask for none.
        routes: what is observed of the targets of aliases with several.
        services: all that servicers need.
        authenticator: knows callers.
        audit: records what they change.
        files: the store's, as callers may fetch them.
        limits: let calls in.
        media: fetches files that calls name by URL.
        job_files: that jobs of callers take and make.
        generation_runner: runs such jobs.
    """

    models: ModelManager
    heartbeat: Heartbeat
    jobs: AsyncJobs
    call_log: CallLog | None
    usage: UsageWriter
    cache: ResponseCache | None
    routes: RouteObservations
    services: Services
    authenticator: Authenticator
    audit: AuditTrail
    files: AuthorizedFiles
    limits: AsyncLimits
    media: MediaFetcher
    job_files: JobFiles
    generation_runner: GenerationRunner

    def on_denied(self, principal: Principal, permission: Permission) -> None:
        """Records that somebody was refused what would have changed something, or told of who may and did what."""
        if permission.action == WRITE or permission.resource in ("keys", "audit", "usage"):
            set_principal(principal)
            self.audit.record(f"{permission.resource}.{permission.action}", outcome="scope_missing")


def build_parts(settings: Settings, session: RegistrySession, metrics: Metrics, authenticator: Authenticator) -> Parts:
    """Builds every part; starts none."""
    calls = RunningCalls()
    health = Health(PUBLIC_SERVICES, calls)
    heartbeat = Heartbeat(session.instances, session.store.id)
    job_files = job_files_for(settings, session)
    jobs = AsyncJobs(session.jobs, files=job_files)
    hardware = Hardware.for_settings(settings)
    models = ModelManager(_dependencies(settings, session, metrics, hardware, jobs), _events(health, heartbeat))
    call_log = _call_log(settings, session.inference_log, metrics)
    audit = AuditTrail(session.audit, settings.access.audit_retention_days)
    visibility = Visibility(models.directory)
    limits = AsyncLimits(session.budgets, session.model_limits)
    usage = _usage(settings, session, metrics)
    cache = build_cache(settings, models, metrics, session.cache_flushes)
    media = MediaFetcher(settings.media_urls)
    routes = RouteObservations(session.routes)
    pipeline = build_pipeline(
        settings, models, visibility, authenticator, limits, metrics, call_log, usage, routes, cache, media
    )
    authorized_jobs = AuthorizedJobs(jobs, audit)
    services = Services(
        settings=settings,
        pipeline=pipeline,
        models=AuthorizedModels(models, visibility, audit),
        model_admin=AuthorizedModelAdmin(ModelAdmin(session.retention, session.registry, models), visibility, audit),
        acquisition=AuthorizedAcquisition(_acquisition(settings, session, hardware), visibility, audit),
        jobs=authorized_jobs,
        generation_jobs=GenerationJobs(
            _front_steps(settings, models, authenticator, media),
            models.dispatcher.facts_of,
            job_files,
            authorized_jobs,
            audit,
        ),
        aliases=AuthorizedAliases(AsyncAliases(session.aliases), visibility, audit),
        routes=AuthorizedRoutes(models.call_directory, Visibility(models.call_directory), routes, models.loader),
        usage=AuthorizedUsage(AsyncUsage(session.usage)),
        keys=AuthorizedKeys(
            session.keys, None if settings.auth == "off" else partial(Peppers.open, settings.home_path), audit
        ),
        cache=AuthorizedCache(cache, audit),
        health=health,
        calls=calls,
    )
    files = AuthorizedFiles(session.published_files, visibility)
    return Parts(
        models=models,
        heartbeat=heartbeat,
        jobs=jobs,
        call_log=call_log,
        usage=usage,
        cache=cache,
        routes=routes,
        services=services,
        authenticator=authenticator,
        audit=audit,
        files=files,
        limits=limits,
        media=media,
        job_files=job_files,
        generation_runner=GenerationRunner(settings, session.jobs, session.store.id),
    )


def build_pipeline(
    settings: Settings,
    models: ModelManager,
    visibility: Visibility,
    authenticator: Authenticator,
    limits: AsyncLimits,
    metrics: Metrics,
    call_log: CallLog | None,
    usage: UsageWriter,
    routes: RouteObservations,
    cache: ResponseCache | None = None,
    media: MediaFetcher | None = None,
) -> Pipeline:
    """The steps of a call, in their order."""
    media = media or MediaFetcher(settings.media_urls)
    validate = Validate(settings.limits, media.check)
    steps: list[Step] = [
        Accounting(
            metrics,
            code_name,
            log_requests=settings.log_requests,
            keep=call_log,
            usage=usage,
            log_prompts=settings.inference_log.prompts,
        ),
        Deadline(settings.limits),
        validate,
        Resolve(AuthorizedDirectory(models.call_directory, Visibility(models.call_directory))),
        ReadValue(validate.check),
        Authorise(authenticator),
        RouteStep(Router(routes, models.loader), routes, models.call_directory, metrics),
        HardwareStep(models.dispatcher, KnownHardware(models.known_devices)),
        Rate(limits.limiter, limits),
        TokenIds(settings.openai, settings.limits, validate.check),
        Prioritize(),
        *([] if cache is None else [cache.step]),
        Concurrency(settings.limits),
        Download(models.dispatcher),
        FetchMedia(media, settings.limits.media, settings.media_urls.max_call_bytes, validate.check),
    ]
    return Pipeline(steps, Dispatch(models.dispatcher))


def _front_steps(
    settings: Settings, models: ModelManager, authenticator: Authenticator, media: MediaFetcher
) -> list[Step]:
    """The steps that a call passes before it is accepted as a job: it passes all of them when it runs."""
    validate = Validate(settings.limits, media.check)
    directory = AuthorizedDirectory(models.call_directory, Visibility(models.call_directory))
    held = ReadDataUrls(settings.limits.media, validate.check)
    return [validate, Resolve(directory), Authorise(authenticator), KnownHardware(models.known_devices), held]


def _dependencies(
    settings: Settings, session: RegistrySession, metrics: Metrics, hardware: Hardware, jobs: AsyncJobs
) -> ModelDependencies:
    return ModelDependencies(
        settings,
        metrics,
        hardware,
        session.registry,
        session.aliases,
        jobs,
        session.profiles,
        ModelLeases(session.retention),
        session.store.id,
    )


def _events(health: Health, heartbeat: Heartbeat) -> ModelEvents:
    def state_changed(model: str, state: ModelState) -> None:
        health.model_changed(model, state)
        heartbeat.changed()

    return ModelEvents(state_changed, health.aliases_changed, heartbeat.report_now)


def _call_log(settings: Settings, inference_log: InferenceLog, metrics: Metrics) -> CallLog | None:
    sample = sample_of(settings)
    if not sample:
        return None
    retention_days = settings.inference_log.retention_days
    return CallLog(inference_log, sample=sample, retention_days=retention_days, dropped=metrics.inference_log_dropped)


def _usage(settings: Settings, session: RegistrySession, metrics: Metrics) -> UsageWriter:
    journal = UsageJournal(settings.home_path / "usage-journal.json")
    retention_days = settings.usage.retention_days
    writer = UsageWriter(session.usage, journal, retention_days=retention_days, lost=metrics.usage_lost)
    metrics.usage_waiting.set_function(lambda: writer.waiting)
    return writer


def _acquisition(settings: Settings, session: RegistrySession, hardware: Hardware) -> Acquisition:
    async def conversions() -> Conversions:
        return (await hardware.probe()).conversions

    return Acquisition(
        session.jobs,
        session.published_files,
        session.registry.model,
        session.store.id,
        partial(check_vendor, settings),
        partial(check_host, settings),
        conversions if settings.jobs.concurrency else None,
    )
