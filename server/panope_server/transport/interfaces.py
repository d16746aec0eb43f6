"""What transport needs of the layers below: a few interfaces, so that every servicer is tested without them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Protocol

from panope_backends.api import Device
from panope_registry.access.key_types import IssuedKey, KeyEntry, KeySpec
from panope_registry.job_handlers.requests import BuildRequest, DownloadRequest, SyncRequest
from panope_registry.jobs import JobEntry, JobStatus
from panope_registry.models.alias_types import AliasEntry, AliasEvent
from panope_registry.models.commits import PublishedFile
from panope_registry.models.routes import Route
from panope_registry.models.types import EVERY_MODEL, ModelFilter
from panope_registry.retention.types import RemovalResult
from panope_registry.serving_records.usage import Dimension, UsageFilter, UsageSum
from panope_server.generation_jobs.jobs import ServedFile
from panope_server.pipeline.cache.statistics import CacheStatistics
from panope_server.pipeline.call import Call
from panope_server.runtime.hardware.usage.device_usage import DeviceUsage
from panope_server.runtime.placement.constraints import UNCONSTRAINED, LoadConstraints
from panope_server.runtime.routing.explanation import Explanation
from panope_server.runtime.status import ModelView
from panope_server.tasks.task import Output


class Pipeline(Protocol):
    """Answers calls."""

    async def run(self, call: Call) -> Output:
        """Answers one call; the answer's kind is that of the call's work.

        Raises:
            PanopeError: of any kind.
        """

    def stream(self, call: Call) -> AbstractAsyncContextManager[AsyncIterator[Output]]:
        """The parts of a call's answer as they come; leaving the block before the end cancels the call.

        Waiting for a part may be cancelled, and begun again: no part is lost. Iterating raises as `run`.
        """


class Models(Protocol):
    """Knows, loads and unloads models."""

    async def list(
        self, only: ModelFilter = EVERY_MODEL, *, loaded: bool | None = None, after: str = "", limit: int = 100
    ) -> Sequence[ModelView]:
        """Models by name, those after `after`; with `loaded` only those that serve here, or only those that do not."""

    async def get(self, name: str) -> ModelView:
        """One model; NotFoundError when there is none of that name."""

    async def default_for(self, task: str) -> str | None:
        """The model of calls that name none; None when there is no such model."""

    async def load(
        self, name: str, constraints: LoadConstraints = UNCONSTRAINED, keep_alive: float | None = None
    ) -> ModelView:
        """Loads a model, or the variant whose digest begins so, and returns when it serves.

        It stays loaded for so many seconds when nobody uses it: infinity for ever, None for as long as before.
        """

    async def unload(self, name: str) -> ModelView:
        """Ends a model's instances and returns when their memory is free."""

    async def devices(self) -> Sequence[Device]:
        """The devices of this machine, in the order in which they are preferred."""

    def device_usage(self, device: Device) -> DeviceUsage:
        """What a device does at this moment."""


class Jobs(Protocol):
    """Tells of jobs, ends them and queues them again."""

    async def list(
        self, *, status: JobStatus | None = None, kind: str = "", after: int = 0, limit: int = 100
    ) -> Sequence[JobEntry]:
        """Jobs, newest first, those older than job `after`; of every state and kind unless told."""

    async def get(self, job_id: int) -> JobEntry:
        """One job; NotFoundError when there is none of that id."""

    async def cancel(self, job_id: int) -> JobEntry:
        """Asks a job to end; one that has ended stays what it is."""

    async def retry(self, job_id: int) -> JobEntry:
        """Queues a failed or cancelled job again; PreconditionError for another."""

    def watch(self, job_id: int) -> AsyncIterator[JobEntry]:
        """The job as it is, then whenever it changes, up to its end."""


class GenerationJobs(Protocol):
    """Accepts generations as jobs, and hands out the files that they have made."""

    async def submit(self, call: Call, interface: str, idempotency_key: str = "") -> JobEntry:
        """The job that will run the call, asked for by an interface such as `rest`; an earlier one of the same key.

        Raises:
            PanopeError: as of a call that is run, as far as it is known before.
            UnauthenticatedError: nobody would know whose job it is.
            CapacityError: the caller has too many jobs or files, or the server too many files.
        """

    async def file(self, job_id: int, name: str = "") -> ServedFile:
        """A file of the caller's job, the first where none is named; NotFoundError for none, or none any more."""

    async def delete_files(self, job_id: int) -> JobEntry:
        """Removes the files of the caller's job before their time; NotFoundError when there are none."""


class Acquisition(Protocol):
    """Registers and pulls models."""

    async def register(self, request: SyncRequest, requested_by: str) -> JobEntry:
        """The job that looks at a model's repo; PermissionDeniedError for a vendor that is not allowed."""

    async def pull(self, request: DownloadRequest, requested_by: str) -> JobEntry:
        """The job that downloads a model; PermissionDeniedError for a vendor that is not allowed."""

    async def build(self, request: BuildRequest, requested_by: str) -> JobEntry:
        """The job that makes another variant of a model; NotFoundError when there is no such model."""

    async def files(self, model: str) -> Sequence[PublishedFile]:
        """The files of the revision that is served; NotFoundError when there is no such model."""


class ModelAdmin(Protocol):
    """Updates, pins and deletes models."""

    async def update(self, model: str, *, keep_alive: float | None) -> ModelView:
        """Records how long a model stays loaded unused: infinity for ever, None leaves it to the settings."""

    async def pin(self, model: str, variant: str = "", *, principal: str, reason: str) -> ModelView:
        """Keeps a variant's files, all variants' when none is named; NotFoundError when there is no such."""

    async def unpin(self, model: str, variant: str = "") -> ModelView:
        """Lets them go again when room is needed."""

    async def delete(self, model: str) -> RemovalResult:
        """Deletes a model; PreconditionError while it is in use, pinned, or what an alias points to."""


class Usage(Protocol):
    """Tells what callers have used."""

    async def sums(self, only: UsageFilter, *, by: Sequence[Dimension], offset: int, limit: int) -> Sequence[UsageSum]:
        """What was used, told by time, caller, model or task; see `UsageLedger.sums` for the errors."""


class Aliases(Protocol):
    """Names that point to models; see `panope_registry.models.aliases.Aliases` for the errors."""

    async def list(self, model: str = "") -> Sequence[AliasEntry]:
        """Aliases by name; only those of one model if it is named."""

    async def history(self, alias: str) -> Sequence[AliasEvent]:
        """Every change, the newest first; NotFoundError when there never was such an alias."""

    async def set(
        self, alias: str, model: str, *, variant: str = "", expected: str | None, principal: str, reason: str
    ) -> AliasEntry:
        """Points an alias to a model or a variant, if it points to `expected` now; None is content with anything."""

    async def set_route(
        self, alias: str, route: Route, *, expected: str | None, principal: str, reason: str
    ) -> AliasEntry:
        """Points an alias to several targets, among which its calls are split; as `set` in all else."""

    async def rollback(self, alias: str, *, expected: str | None, principal: str, reason: str) -> AliasEntry:
        """Points an alias to where it pointed before."""

    async def remove(self, alias: str, *, expected: str | None, principal: str, reason: str) -> None:
        """Forgets an alias; its history stays."""


class Routes(Protocol):
    """Aliases with several targets; PreconditionError for one that has none."""

    async def explain(self, alias: str, *, user: str, request_id: str) -> Explanation:
        """Which target a user, or a request, gets, and why."""

    async def report_reward(self, alias: str, target: str, reward: float) -> None:
        """Counts how good an answer of a target was, 0 to 1; InvalidInputError for what is no target of the alias."""


class Keys(Protocol):
    """API keys that may do no more than the caller's; see `panope_registry.access.keys.ApiKeys` for the errors."""

    async def list(self, *, include_ended: bool, after: str, limit: int) -> Sequence[KeyEntry]:
        """Keys by name, those after `after`."""

    async def get(self, key: str) -> KeyEntry:
        """One key, by its id or name; NotFoundError when there is none for the caller."""

    async def create(self, spec: KeySpec) -> IssuedKey:
        """Makes a key; PermissionDeniedError when it could do more than the caller's."""

    async def rotate(self, key: str, grace: timedelta) -> IssuedKey:
        """Gives a key a new secret; the one before stays good for the grace."""

    async def revoke(self, key: str) -> KeyEntry:
        """Takes a key back for good."""


class ResponseCache(Protocol):
    """Answers that are kept; PreconditionError on a server that keeps none."""

    def statistics(self) -> CacheStatistics:
        """How well it does, for the models that the caller sees."""

    async def flush(self) -> int:
        """Forgets every answer; how many this server's memory held.

        Raises:
            PermissionDeniedError: the caller does not see every model.
            AvailabilityError: the store that servers share still has some.
        """
