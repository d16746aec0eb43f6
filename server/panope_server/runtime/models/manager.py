"""All models of this server: what exists, what is loaded, what runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import structlog

from panope_backends.api import Device
from panope_backends.errors import AvailabilityError, PreconditionError, ShuttingDownError
from panope_registry.jobs import Jobs
from panope_registry.models.aliases import Aliases
from panope_registry.models.types import EVERY_MODEL
from panope_registry.models.variant_digest import find_variant
from panope_registry.operations.profiles import Profiles
from panope_registry.registry import ModelEntry, ModelFilter, Registry
from panope_server.config import Settings
from panope_server.observability.metrics import Metrics
from panope_server.runtime.models.downloads import Downloads
from panope_server.runtime.models.model import ModelRuntime
from panope_server.runtime.models.model_views import model_view, pick, with_profiles
from panope_server.runtime.models.startup_loads import StartupLoads
from panope_server.runtime.names import NameResolver, ResolvedName
from panope_server.runtime.placement.constraints import LoadConstraints
from panope_server.runtime.placement.hardware import Hardware
from panope_server.runtime.placement.load_planner import LoadPlanner
from panope_server.runtime.placement.memory import DeviceMemory, machine_bytes
from panope_server.runtime.placement.placement import Placement
from panope_server.runtime.placement.plan import FailedPlan, LoadPlan
from panope_server.runtime.registry_calls.jobs import AsyncJobs
from panope_server.runtime.registry_calls.last_known import LastKnown
from panope_server.runtime.registry_calls.leases import ModelLeases
from panope_server.runtime.registry_calls.threads import call_registry
from panope_server.runtime.status import InstanceView, ModelState, ModelView
from panope_server.tasks.task import Input, Output

_log = structlog.get_logger("panope.models")

REFRESH_SECONDS = 1.0


class ModelManager:
    """Knows, loads, runs and unloads models.

    What runs has a key: a model's name, or `ResolvedName.key` of one of its variants that an alias points to, which
    runs beside the model itself.

    Args:
        on_state: told after every change of a model's state.
        profiles: what was measured, by which candidates are ranked.
        leases: keep the files of loaded models in the store.
        jobs: where downloads are asked for.
        async_jobs: where they are followed.
        aliases: names that calls may use for models.
        store: the id of the store that models are loaded from.
        tell: tells other processes what runs here; waited for after an unload.
        on_aliases: told the keys of what aliases point to, by the aliases' names, when they may have changed.
    """

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        hardware: Hardware,
        metrics: Metrics,
        on_state: Callable[[str, ModelState], None],
        jobs: Jobs,
        async_jobs: AsyncJobs,
        aliases: Aliases,
        leases: ModelLeases,
        profiles: Profiles,
        store: str,
        tell: Callable[[], Awaitable[None]],
        on_aliases: Callable[[Mapping[str, str]], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._hardware = hardware
        self._metrics = metrics
        self._on_state = on_state
        self._on_aliases = on_aliases
        self._leases = leases
        self._memory = DeviceMemory()
        self._profiles = profiles
        self._downloads = Downloads(self._fresh_entry, jobs, async_jobs, store, self._machine_bytes)
        download_variant = self._downloads.download_variant
        self._planner = LoadPlanner(settings, registry, hardware, profiles, self._memory, leases, download_variant)
        self._resolver = NameResolver(aliases)
        self._runtimes: dict[str, ModelRuntime] = {}
        self._known = LastKnown[ModelEntry]()
        self._names: list[str] = []
        self._token: int | None = None
        self._releases: set[asyncio.Future[None]] = set()
        self._startup_loads = StartupLoads(self.load)
        self._endings: set[asyncio.Task[None]] = set()
        self._refreshing = asyncio.Lock()
        self._tell = tell
        self._closing = False
        self._refresher: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to follow the registry and to load the models that the settings name."""
        await self.refresh()
        self._refresher = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Takes no more work and unloads every model."""
        self._closing = True
        if self._refresher is not None:
            self._refresher.cancel()
        await asyncio.gather(*(runtime.unload() for runtime in self._runtimes.values()), *self._endings)
        await self._leases.close()

    async def run(self, model: str, task_input: Input, request_id: str, placement: Placement) -> Output:
        """Runs the input on what has this key; `placement` tells where, also when there is no answer."""
        self._refuse_while_closing()
        return await self._runtime(self._resolver.of(model)).run(task_input, request_id, placement)

    async def fetch(self, model: str, *, wait: bool) -> None:
        """Returns when what has this key is here; starts its download when calls may load it."""
        runtime = self._runtimes.get(model)
        if self._settings.lazy_load and (runtime is None or runtime.state is not ModelState.SERVING):
            resolved = self._resolver.of(model)
            entry = await self._entry(resolved.model)
            digest = await self._planner.variant_to_download(entry, LoadConstraints(variant=resolved.variant))
            await self._downloads.ensure(entry, digest, wait=wait)

    # The directory that the pipeline resolves names with.

    async def model_for(self, name: str) -> str:
        """The key of what a name means: a model, or what the alias of that name points to."""
        return (await self._resolve(name)).key

    async def task_of(self, model: str) -> str:
        """The task of what has this key; NotFoundError when there is no such model."""
        return (await self._entry(self._resolver.of(model).model)).task

    async def task_candidates_of(self, model: str) -> Sequence[str]:
        """The tasks among which somebody must decide for what has this key; empty when nobody must."""
        return (await self._entry(self._resolver.of(model).model)).task_candidates

    async def default_for(self, task: str) -> str | None:
        """The settings' default model, else the only one of the task."""
        if self._settings.default_model:
            return self._settings.default_model
        names = [entry.name for entry in self._entries.values() if entry.task == task]
        return names[0] if len(names) == 1 else None

    # What people see and ask.

    async def list(
        self, only: ModelFilter = EVERY_MODEL, *, loaded: bool | None = None, after: str = "", limit: int = 100
    ) -> Sequence[ModelView]:
        """Models and aliases by name, those after `after`; with `loaded` only those that serve here, or do not.

        Of an alias, its own name and what it points to count.
        """
        wanted = only
        if loaded is not None:
            serving = frozenset(name for name, run in self._runtimes.items() if run.state is ModelState.SERVING)
            wanted = replace(only, names=serving) if loaded else replace(only, not_names=serving)
        # While nothing has changed, what is known here is what the database would tell, at a tenth of the cost.
        if await call_registry(self._registry.change_token) == self._token:
            entries = pick(self._entries, self._names, wanted, after, limit)
        else:
            entries = await call_registry(lambda: self._registry.models(wanted, after=after, limit=limit))
            await self._resolver.refresh()
        views = [*map(self._view, entries), *self._aliases(only, loaded, after)]
        return sorted(views, key=lambda view: view.name)[:limit]

    def known(self) -> Sequence[ModelView]:
        """The models that were loaded, or asked for, since the server started."""
        models = {self._resolver.of(key).model for key in self._runtimes}
        return [self._view(self._entries[name]) for name in sorted(models) if name in self._entries]

    async def get(self, name: str) -> ModelView:
        """One model, or alias, with what was measured of it; NotFoundError when there is none of that name."""
        return await self._measured(await self._seen(name))

    async def load(self, name: str, backend: str = "", precision: str = "", variant: str = "") -> ModelView:
        """Loads a model, or what an alias points to, and returns when it serves.

        Args:
            name: of the model or the alias.
            backend: to run it on; empty lets Panope choose.
            precision: to compute in, or that the weights are quantized to; empty lets Panope choose.
            variant: the first digits of the digest of the variant to run; empty lets Panope choose.

        Raises:
            PanopeError: why it cannot be loaded.
        """
        self._refuse_while_closing()
        resolved = await self._resolve(name)
        entry = await self._entry_now(resolved.model)
        digest = find_variant(entry, variant).digest if variant else resolved.variant
        constraints = LoadConstraints(backend, precision, digest)
        download_variant = await self._planner.variant_to_download(entry, constraints)
        await self._downloads.ensure(entry, download_variant, precision, wait=False)
        # The variant of an alias is what always runs there, no constraint of this caller.
        await self._runtime(resolved).load(
            replace(constraints, variant="") if digest == resolved.variant else constraints
        )
        return self._view(entry)

    async def unload(self, name: str) -> ModelView:
        """Ends the instances of a model, or of the variant that an alias points to; returns when their memory is free.

        With a model end those of its variants that run beside it.
        """
        resolved = await self._resolve(name)
        entry = await self._entry(resolved.model)
        keys = [resolved.key] if resolved.variant else self._keys_of(resolved.model)
        await asyncio.gather(*(self._runtimes[key].unload() for key in keys if key in self._runtimes))
        await asyncio.gather(*self._releases)
        await self._tell()
        await asyncio.gather(*self._releases)  # so that who is told may remove the files
        return self._view(entry)

    async def devices(self) -> Sequence[Device]:
        """The devices of this machine, in the order in which they are preferred."""
        return (await self._hardware.probe()).devices

    async def fresh(self, name: str) -> ModelView:
        """One model as the registry knows it at this moment; NotFoundError when there is none of that name."""
        return await self._measured(self._view(await self._fresh_entry(name)))

    def refuse_if_loaded(self, name: str) -> None:
        """PreconditionError when the model, or a variant of it, is loaded here or is being loaded."""
        states = [self._runtimes[key].state for key in self._keys_of(name)]
        if state := next((each for each in states if each not in (ModelState.UNLOADED, ModelState.FAILED)), None):
            raise PreconditionError(
                f"model `{name}` is in use: it is {state} on this server; unload it first",
                reason="in_use",
                field="model",
            )

    def running(self) -> Sequence[tuple[str, InstanceView]]:
        """Every instance, each with the key of what it serves."""
        return [(key, view) for key, runtime in self._runtimes.items() for view in runtime.instance_views()]

    def not_ready(self) -> dict[str, str]:
        """The models that should serve and do not, each with the reason; empty when the server is ready."""
        to_load = self._to_load()
        waiting = {name: "not loaded yet" for key, name in to_load.items() if key not in self._runtimes}
        for key, runtime in self._runtimes.items():
            wanted = runtime.wanted or (key in to_load and not self._closing)
            if wanted and runtime.state is not ModelState.SERVING:
                waiting[key] = runtime.state_reason or runtime.state
        return waiting

    # Inside.

    def _refuse_while_closing(self) -> None:
        if self._closing:
            raise ShuttingDownError("the server is stopping", retry_after_seconds=1.0)

    def _runtime(self, resolved: ResolvedName) -> ModelRuntime:
        runtime = self._runtimes.get(resolved.key)
        if runtime is None:
            plan = partial(self._plan, resolved)
            runtime = made = ModelRuntime(
                resolved.key, self._settings, self._metrics, plan, lambda _, state: self._state_changed(made, state)
            )
            self._runtimes[resolved.key] = runtime
        return runtime

    async def _plan(
        self, resolved: ResolvedName, constraints: LoadConstraints, failed: Sequence[FailedPlan]
    ) -> LoadPlan:
        return await self._planner.plan(resolved, constraints, failed)

    def _keys_of(self, model: str) -> Sequence[str]:
        """The keys under which a model has run: its own first."""
        return [key for key in sorted(self._runtimes) if self._resolver.of(key).model == model]

    async def _resolve(self, name: str) -> ResolvedName:
        """What a name means; a name that nobody knows is taken for a model's, which its entry then is missing."""
        if name in self._entries:
            return ResolvedName(name)
        return await self._resolver.find(name) or ResolvedName(name)

    def _state_changed(self, runtime: ModelRuntime, state: ModelState) -> None:
        """Tells it on; a model without workers needs its files no longer."""
        name = runtime.name
        if self._runtimes.get(name, runtime) is not runtime:
            return  # it was removed and ends; what runs under its name by now has files and memory of its own
        self._on_state(name, state)
        if state is ModelState.SERVING:
            self._memory.loaded(name)
        if state in (ModelState.UNLOADED, ModelState.FAILED):
            self._memory.give_back(name)
            release = asyncio.ensure_future(self._leases.release(name))
            self._releases.add(release)
            release.add_done_callback(self._releases.discard)

    async def _machine_bytes(self) -> int:
        return machine_bytes((await self._hardware.probe()).devices)

    async def _entry(self, name: str) -> ModelEntry:
        return self._entries.get(name) or await self._fresh_entry(name)

    @property
    def _entries(self) -> Mapping[str, ModelEntry]:
        return self._known.values

    async def _entry_now(self, name: str) -> ModelEntry:
        """With what a job has just made of it; as it was last while the database is away."""
        try:
            return await self._fresh_entry(name)
        except AvailabilityError:
            if name not in self._entries:
                raise
            return self._entries[name]

    async def _fresh_entry(self, name: str) -> ModelEntry:
        begun = self._known.begin()
        entry = await call_registry(self._registry.model, name)
        self._known.put(begun, name, entry)
        return entry

    async def _follow(self) -> None:
        """Sees within a second what other processes, such as `panope import`, did to the registry."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                await self.refresh()
                if any(runtime.may_be_tried_again for runtime in self._runtimes.values()):
                    self._load_wanted()
            except Exception as error:  # a database that is away must not end the server; models go on serving
                _log.warning("registry_unreachable", error=type(error).__name__)

    async def refresh(self) -> None:
        """Sees now what changed in the registry, and not within a second."""
        async with self._refreshing:
            token = await call_registry(self._registry.change_token)
            if token != self._token:
                await self._read_all(token)
                self._load_wanted()

    async def _read_all(self, token: int) -> None:
        begun = self._known.begin()
        entries = await call_registry(lambda: self._registry.models(limit=1_000_000))
        whole = self._known.replace(begun, {entry.name: entry for entry in entries})
        whole &= await self._resolver.refresh()
        self._on_aliases(self._resolver.keys())
        self._names = sorted(self._entries)
        self._token = token if whole else None
        for key in [key for key in self._runtimes if not self._is_wanted(key)]:
            _log.info("model_removed", model=key)
            ending = asyncio.create_task(self._runtimes.pop(key).unload())
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)

    def _to_load(self) -> Mapping[str, str]:
        """Key -> name of what the settings say is to be loaded, where aliases point now."""
        targets = ((name, self._resolver.known(name)) for name in self._settings.load)
        return {name if resolved is None or name in self._entries else resolved.key: name for name, resolved in targets}

    def _load_wanted(self) -> None:
        """Begins to load what the settings name and has not run yet: it was unknown, not here, or its alias moved.

        What failed is tried again after a pause: without it the server is not ready, and may get no call that would.
        """
        for key, name in self._to_load().items():
            if (key not in self._runtimes or self._runtimes[key].may_be_tried_again) and not self._closing:
                self._startup_loads.begin(name)

    def _is_wanted(self, key: str) -> bool:
        """Whether there still is what runs under this key."""
        return self._resolver.of(key).model in self._entries and self._resolver.is_meant(key)

    def _view(self, entry: ModelEntry, resolved: ResolvedName | None = None, alias: str = "") -> ModelView:
        """A model; or, by the name of an alias, it or the variant of it that the alias points to."""
        key = resolved.key if resolved is not None and resolved.variant else entry.name
        keys = [key] if key != entry.name else self._keys_of(entry.name)
        view = model_view(
            entry, self._runtimes.get(key), [self._runtimes[each] for each in keys if each in self._runtimes]
        )
        return replace(view, name=alias, alias_of=key) if alias else view

    async def _seen(self, name: str) -> ModelView:
        """What a name means, a model's or an alias's; NotFoundError when there is none."""
        resolved = await self._resolve(name)
        entry = await self._entry_now(resolved.model)
        return self._view(entry, resolved, "" if name == entry.name else name)

    def _aliases(self, only: ModelFilter, loaded: bool | None, after: str) -> Iterator[ModelView]:
        """The aliases after a name whose targets are wanted."""
        for alias, resolved in self._resolver.named(only.prefix, after):
            entry = self._entries.get(resolved.model)
            serves = resolved.key in self._runtimes and self._runtimes[resolved.key].state is ModelState.SERVING
            if entry is not None and loaded in {None, serves} and ModelFilter(only.task, only.format).takes(entry):
                yield self._view(entry, resolved, alias)

    async def _measured(self, view: ModelView) -> ModelView:
        digests = [variant.digest for variant in view.variants]
        try:
            profiles = await call_registry(self._profiles.of_variants, digests)
        except AvailabilityError:  # what is known of the model is told without them
            return view
        return with_profiles(view, profiles) if profiles else view
