"""The models of this server: what knows, loads, runs and shows them, put together; follows the registry."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import structlog

from panope_backends.api import Device
from panope_backends.errors import PanopeError
from panope_registry.models.aliases import Aliases
from panope_registry.models.types import EVERY_MODEL
from panope_registry.registry import ModelFilter, Registry
from panope_registry.serving_records.profiles import Profiles
from panope_server.config import Settings
from panope_server.observability.metrics import Metrics
from panope_server.runtime.async_registry.jobs import AsyncJobs
from panope_server.runtime.async_registry.leases import ModelLeases
from panope_server.runtime.hardware.hardware import Hardware
from panope_server.runtime.hardware.usage.device_usage import DeviceUsage
from panope_server.runtime.hardware.usage.monitor import DeviceMonitor
from panope_server.runtime.instances.instance import Instance
from panope_server.runtime.models.adapter_hosts import AdapterHosts
from panope_server.runtime.models.alias_moves import AliasMoves, CallDirectory
from panope_server.runtime.models.directory import ModelDirectory
from panope_server.runtime.models.dispatcher import ModelDispatcher
from panope_server.runtime.models.loader import ModelLoader
from panope_server.runtime.models.loading.build_jobs import BuildJobs
from panope_server.runtime.models.loading.downloads import Downloads
from panope_server.runtime.models.loading.model_loading import OnState
from panope_server.runtime.models.model import ModelRuntime
from panope_server.runtime.models.model_status import ModelStatus
from panope_server.runtime.models.runtimes import ModelRuntimes
from panope_server.runtime.names import ResolvedName
from panope_server.runtime.placement.constraints import UNCONSTRAINED, LoadConstraints
from panope_server.runtime.placement.memory import machine_bytes
from panope_server.runtime.placement.memory_budget import MemoryBudget
from panope_server.runtime.placement.memory_estimates import MemoryEstimates
from panope_server.runtime.placement.plan import LoadPlan
from panope_server.runtime.placement.planning.load_planner import LoadPlanner
from panope_server.runtime.safe_callbacks import contained_turn
from panope_server.runtime.status import ModelState, ModelView

_log = structlog.get_logger("panope.models")

REFRESH_SECONDS = 1.0


@dataclass(frozen=True)
class ModelDependencies:
    """What the models of a server stand on.

    Attributes:
        registry: knows them.
        aliases: names that calls may use for them.
        jobs: where downloads and conversions are asked for, and followed.
        profiles: what was measured, by which candidates are ranked.
        leases: keep the files of loaded models in the store.
        store: the id of the store that models are loaded from.
    """

    settings: Settings
    metrics: Metrics
    hardware: Hardware
    registry: Registry
    aliases: Aliases
    jobs: AsyncJobs
    profiles: Profiles
    leases: ModelLeases
    store: str


async def _report_nothing() -> None:
    return None


@dataclass(frozen=True)
class ModelEvents:
    """Who is told what happens to models.

    Attributes:
        on_state: told the key and the state after every change of a model's state.
        on_aliases: told the keys of what aliases point to, by the aliases' names, when they may have changed.
        report_instances: tells other processes what runs here; waited for after an unload.
    """

    on_state: Callable[[str, ModelState], None]
    on_aliases: Callable[[Mapping[str, Sequence[str]]], None] = lambda _: None
    report_instances: Callable[[], Awaitable[None]] = _report_nothing


class ModelManager:
    """Knows, loads, runs and unloads models.

    Attributes:
        directory: which models exist, and what names mean.
        call_directory: what names mean to calls: that of an alias which was moved, until the new target serves.
        runtimes: what runs.
        dispatcher: runs calls.
        loader: loads and unloads.
        status: what people see.
        memory: what of it models have.
        metrics: where what happens to them is counted.
        monitor: knows what devices do.
    """

    def __init__(self, dependencies: ModelDependencies, events: ModelEvents) -> None:
        settings = dependencies.settings
        self._hardware = dependencies.hardware
        self.monitor = DeviceMonitor(self.known_devices)
        self.metrics = dependencies.metrics
        self._on_aliases = events.on_aliases
        self._follower: asyncio.Task[None] | None = None
        self._estimates = MemoryEstimates()
        self.memory = memory = MemoryBudget(
            lambda key: self.runtimes.get(key),
            max_bytes=settings.models.memory_bytes,
            max_models=settings.models.max_loaded_models,
        )
        self._moves = AliasMoves(lambda key: self.runtimes.is_serving(key))
        self.directory = ModelDirectory(
            dependencies.registry, dependencies.aliases, settings.default_model, self._moves.changed
        )
        self.call_directory = CallDirectory(self.directory, self._moves)
        downloads = Downloads(self.directory.fresh_entry, dependencies.jobs, dependencies.store, self._machine_bytes)
        builds = BuildJobs(
            dependencies.jobs,
            dependencies.store,
            has_worker=settings.jobs.concurrency > 0,
            on_wait=lambda model, reason: self.runtimes.explain_loading(model, reason),
        )
        self._planner = planner = LoadPlanner(
            settings,
            dependencies.registry,
            dependencies.hardware,
            dependencies.profiles,
            memory,
            dependencies.leases,
            builds.run,
            self._estimates,
            lambda key, reason: self.runtimes.explain_loading(ResolvedName(key).model, reason),
            find_hosts=lambda base, digests: hosts.find(base, digests),
            usage_of=self.monitor.usage_of,
        )

        def make_runtime(resolved: ResolvedName, on_state: OnState) -> ModelRuntime:
            return ModelRuntime(
                resolved,
                settings,
                dependencies.metrics,
                partial(planner.plan, resolved),
                on_state,
                find_instance,
                partial(self.loader.keep_alive_of, resolved),
                lambda runtime: hosts.guests_of([runtime]),
            )

        async def find_instance(place: int, plan: LoadPlan) -> Instance:
            return await hosts.instance(place, plan)

        self.runtimes = ModelRuntimes(make_runtime, dependencies.leases, events.on_state)
        hosts = AdapterHosts(self.runtimes)
        dependencies.metrics.loaded_models.watch(memory.usage, memory.loaded_models)
        self.dispatcher = ModelDispatcher(self.runtimes, planner, downloads, lazy_load=settings.lazy_load)
        self.status = ModelStatus(self.directory, self.runtimes, dependencies.profiles)
        self.loader = ModelLoader(
            settings, self.directory, self.runtimes, planner, downloads, events.report_instances, hosts.guests_of
        )

    async def start(self) -> None:
        """Begins to follow the registry and to load the models that the settings name.

        Raises:
            PreconditionError: the settings ask for a backend or a precision that this machine lacks.
        """
        await self._planner.selector.refuse_impossible_settings()
        await self.refresh()
        self.monitor.start()
        self._follower = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Takes no more work and unloads every model."""
        self.runtimes.stop_making()
        if self._follower is not None:
            self._follower.cancel()
        await self.monitor.stop()
        await self.runtimes.close()

    async def refresh(self) -> None:
        """Sees now what changed in the registry, and not within a second."""
        if await self.directory.refresh():
            self._tell_aliases()
            self._remove_unmeant()
            self.loader.load_from_settings()
            self.runtimes.follow_keep_alive()
            self._follow_moves()
        self.runtimes.reload_changed(self.directory.known_entry)

    def _remove_unmeant(self) -> None:
        """Ends what no name means any more, unless it answers for an alias whose target does not serve yet."""
        self.runtimes.remove_unless(lambda resolved: self.directory.exists(resolved) or self._moves.holds(resolved))

    def _follow_moves(self) -> None:
        """Has the targets of moved aliases loaded, and ends what they have replaced."""
        before = len(self._moves)
        self.loader.load_moved(self._moves.to_load())
        if len(self._moves) < before:
            self._remove_unmeant()
            self._tell_aliases()

    def _tell_aliases(self) -> None:
        """Tells what answers for each alias."""
        keys = self.directory.alias_keys()
        targets = {alias: [target.key] for alias in keys if (target := self._moves.target(alias)) is not None}
        self._on_aliases({**keys, **targets})

    async def list(
        self, only: ModelFilter = EVERY_MODEL, *, loaded: bool | None = None, after: str = "", limit: int = 100
    ) -> Sequence[ModelView]:
        """Returns models and aliases by name, as `ModelStatus.list`."""
        return await self.status.list(only, loaded=loaded, after=after, limit=limit)

    async def get(self, name: str) -> ModelView:
        """Returns one model, or alias; NotFoundError when there is none of that name."""
        return await self.status.get(name)

    async def default_for(self, task: str) -> str | None:
        """Returns the model of calls that name none; None when there is no such model."""
        return await self.directory.default_for(task)

    async def load(
        self, name: str, constraints: LoadConstraints = UNCONSTRAINED, keep_alive: float | None = None
    ) -> ModelView:
        """Loads a model and returns when it serves; arguments and errors as of `ModelLoader.load`."""
        return self.status.view((await self.loader.load(name, constraints, keep_alive)).entry)

    async def unload(self, name: str) -> ModelView:
        """Ends a model's instances and returns when their memory is free, as `ModelLoader.unload`."""
        return self.status.view((await self.loader.unload(name)).entry)

    async def devices(self) -> Sequence[Device]:
        """Returns the devices of this machine, in the order in which they are preferred."""
        return (await self._hardware.probe()).devices

    def known_devices(self) -> Sequence[Device]:
        """The devices as far as anybody has asked for them; nobody is asked."""
        return self._hardware.known_devices()

    def device_usage(self, device: Device) -> DeviceUsage:
        """What a device does at this moment."""
        usage = self.monitor.usage_of(device)
        held = self.runtimes.bytes_on(device)
        return replace(usage, models_memory_bytes=held) if held else usage

    async def _follow(self) -> None:
        """Sees within a second what other processes, such as `panope import`, did to the registry."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            await contained_turn(self._look)

    async def _look(self) -> None:
        self.runtimes.measure(self._estimates)
        self.memory.settle()  # what had to go and was in use may go by now
        try:
            await self.refresh()
        except (PanopeError, TimeoutError) as error:  # models go on serving
            _log.warning("registry_unreachable", error=type(error).__name__)
            return
        self.loader.retry_failed()
        self._follow_moves()

    async def _machine_bytes(self) -> int:
        return machine_bytes((await self._hardware.probe()).devices)
