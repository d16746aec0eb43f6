"""Loads and unloads models: as people ask, and as the settings say from the start."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from panope_backends.errors import InvalidInputError, PreconditionError
from panope_registry.models.variant_digest import find_variant
from panope_server.config import Settings
from panope_server.runtime.models.directory import ModelDirectory, ResolvedModel
from panope_server.runtime.models.keep_alive import lasting
from panope_server.runtime.models.loading.downloads import Downloads
from panope_server.runtime.models.loading.startup_loads import StartupLoads
from panope_server.runtime.models.model import ModelRuntime
from panope_server.runtime.models.runtimes import ModelRuntimes
from panope_server.runtime.names import ResolvedName
from panope_server.runtime.placement.constraints import UNCONSTRAINED, LoadConstraints
from panope_server.runtime.placement.planning.load_planner import LoadPlanner
from panope_server.runtime.status import ModelState

#: As of the setting `workers.instances`.
MAX_INSTANCES = 64
MAX_PARTS = 64
"""Of one model, each on a device of its own."""

MAX_PREFERRED = 16
"""Backends that one load prefers."""


class ModelLoader:
    """Loads what names mean.

    Args:
        settings: what is loaded from the start.
        directory: tells what names mean.
        runtimes: load and unload.
        planner: knows which variant is worth a download.
        downloads: see to it that files are here.
        report_instances: tells other processes what runs here; waited for after an unload.
        guests_of: the adapters that run in the workers of models.
    """

    def __init__(
        self,
        settings: Settings,
        directory: ModelDirectory,
        runtimes: ModelRuntimes,
        planner: LoadPlanner,
        downloads: Downloads,
        report_instances: Callable[[], Awaitable[None]],
        guests_of: Callable[[Sequence[ModelRuntime]], Sequence[ModelRuntime]],
    ) -> None:
        self._guests_of = guests_of
        self._names_to_load = settings.load
        self._lazy_load = settings.lazy_load
        self._models = settings.models
        self._keep_alive: dict[str, float | None] = {}  # as each call asks
        self._directory = directory
        self._runtimes = runtimes
        self._planner = planner
        self._downloads = downloads
        self._report_instances = report_instances
        self._startup_loads = StartupLoads(self.load)

    async def load(
        self, name: str, constraints: LoadConstraints = UNCONSTRAINED, keep_alive: float | None = None
    ) -> ResolvedModel:
        """Loads a model, or what an alias points to, and returns when it serves.

        Args:
            name: of the model or the alias.
            constraints: how it must run; its variant may be given by the first digits of the digest.
            keep_alive: how long it stays loaded unused, as of `ModelRuntime.load`.

        Raises:
            PanopeError: why it cannot be loaded.
        """
        if constraints.instances > MAX_INSTANCES:
            raise InvalidInputError.at("instances", "{field} is at most {most}", most=MAX_INSTANCES)
        if constraints.tensor_parallel > MAX_PARTS:
            raise InvalidInputError.at("tensor_parallel", "{field} is at most {most}", most=MAX_PARTS)
        if len(constraints.preferred_backends) > MAX_PREFERRED:
            raise InvalidInputError.at("preferred_backends", "{field} has at most {most} items", most=MAX_PREFERRED)
        self._runtimes.refuse_while_closing()
        return await self._load(await self._directory.resolve_now(name), constraints, keep_alive)

    async def _load(
        self, model: ResolvedModel, constraints: LoadConstraints = UNCONSTRAINED, keep_alive: float | None = None
    ) -> ResolvedModel:
        await self._planner.selector.refuse_impossible(model.entry, constraints)
        variant = constraints.variant
        digest = find_variant(model.entry, variant).digest if variant else model.name.variant
        constraints = replace(constraints, variant=digest)
        wanted = await self._planner.selector.variant_to_download(model.entry, constraints)
        await self._downloads.ensure(model.entry, wanted, constraints.precision, wait=False)
        if digest == model.name.variant:  # what always runs there is no constraint of this caller
            constraints = replace(constraints, variant="")
        await self._runtimes.get_or_make(model.name).load(constraints, keep_alive)
        return model

    def keep_alive_of(self, resolved: ResolvedName) -> float | None:
        """For how long a model stays loaded unused, as its record says, or else the settings; see `KeepAlive`.

        What they load from the start is kept for ever, because the server is ready only while it serves.
        """
        if self._names_to_load and resolved.key in self._to_load():
            return math.inf
        entry = self._directory.known_entry(resolved.model)
        if entry is not None and entry.keep_alive_seconds is not None:
            return lasting(entry.keep_alive_seconds)
        if resolved.model not in self._keep_alive:
            self._keep_alive[resolved.model] = self._models.keep_alive_of(resolved.model)
        return self._keep_alive[resolved.model]

    async def unload(self, name: str) -> ResolvedModel:
        """Ends the instances of a model, or of the variant that an alias points to; returns when their memory is free.

        With a model end those of its variants that run beside it, and the adapters that run in its workers.
        """
        model = await self._directory.resolve(name)
        runtimes = self._runtimes.of_model(model.name.model)
        ending = [runtime for runtime in runtimes if not model.name.variant or runtime.resolved == model.name]
        await self._runtimes.unload(self._guests_of(ending))
        await self._runtimes.unload(ending)
        await self._report_instances()
        await self._runtimes.released()  # so that who is told may remove the files
        return model

    def refuse_if_loaded(self, name: str) -> None:
        """PreconditionError when the model, or a variant of it, is loaded here or is being loaded."""
        for runtime in self._runtimes.of_model(name):
            if runtime.state not in (ModelState.UNLOADED, ModelState.FAILED):
                raise PreconditionError(
                    f"model `{name}` is in use: it is {runtime.state} on this server; unload it first",
                    reason="in_use",
                    field="model",
                )

    def load_from_settings(self) -> None:
        """Begins to load what the settings name and has not run yet: it was unknown, not here, or its alias moved.

        What failed is tried again after a pause: without it the server is not ready, and may get no call that would.
        """
        for key, name in self._to_load().items():
            runtime = self._runtimes.get(key)
            if (runtime is None or runtime.may_be_tried_again) and not self._runtimes.is_closing:
                self._startup_loads.begin(name)

    def load_moved(self, aliases: Sequence[tuple[str, ResolvedName]]) -> None:
        """Begins to load what aliases point to since they were moved, where calls may load models.

        Args:
            aliases: with what they point to.
        """
        for alias, resolved in aliases if self._lazy_load else ():
            if self._may_begin(resolved):
                self._startup_loads.begin(alias)

    def begin_load(self, resolved: ResolvedName) -> None:
        """Begins to load a target of an alias whose call went to another for want of it, where calls may load models.

        Args:
            resolved: the target.
        """
        if self._lazy_load and self._may_begin(resolved):
            self._startup_loads.begin(resolved.key, partial(self._load_target, resolved))

    async def _load_target(self, resolved: ResolvedName) -> None:
        await self._load(ResolvedModel(resolved, await self._directory.fresh_entry(resolved.model)))

    def _may_begin(self, resolved: ResolvedName) -> bool:
        """Whether it is not loaded, there was room when it was tried last, and its breaker's pause is over."""
        runtime = self._runtimes.get(resolved.key)
        is_unloaded = runtime is None or (runtime.state is ModelState.UNLOADED and not runtime.found_no_room)
        is_rested = runtime is not None and runtime.may_be_tried_again
        return (is_unloaded or is_rested) and not self._runtimes.is_closing

    def why_not_serving(self, resolved: ResolvedName) -> str:
        """Why something does not answer calls now, for people; empty where it does."""
        runtime = self._runtimes.get(resolved.key)
        if runtime is None:
            return "not loaded"
        return "" if runtime.state is ModelState.SERVING else runtime.state

    def backend_of(self, resolved: ResolvedName) -> str:
        """On which backend something answers calls now; empty where it does not."""
        runtime = self._runtimes.get(resolved.key)
        if runtime is None or runtime.state is not ModelState.SERVING or runtime.computation is None:
            return ""
        return runtime.computation.backend

    def retry_failed(self) -> None:
        """Begins to load what the settings name and failed, once its pause is over."""
        if any(runtime.may_be_tried_again for runtime in self._runtimes.all()):
            self.load_from_settings()

    def not_ready(self) -> dict[str, str]:
        """Returns the models that should serve and do not, each with the reason; empty when the server is ready."""
        to_load = self._to_load()
        waiting = {name: self._why_waiting(name) for key, name in to_load.items() if self._runtimes.get(key) is None}
        for runtime in self._runtimes.all():
            key = runtime.resolved.key
            wanted = runtime.wanted or (key in to_load and not self._runtimes.is_closing)
            if wanted and runtime.state is not ModelState.SERVING:
                waiting[key] = runtime.state_reason or runtime.state
        return waiting

    def _why_waiting(self, name: str) -> str:
        """Why nothing that the settings call so has begun to load."""
        known = self._directory.known_name(name)
        return (
            "not loaded yet"
            if known is not None and self._directory.exists(known)
            else "no model or alias has this name"
        )

    def _to_load(self) -> Mapping[str, str]:
        """Key -> name of what the settings say is to be loaded, where aliases point now."""
        known = ((name, self._directory.known_name(name)) for name in self._names_to_load)
        return {name if resolved is None else resolved.key: name for name, resolved in known}
