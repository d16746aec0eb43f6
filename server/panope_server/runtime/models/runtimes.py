"""What runs on this server, by key, with the leases on its files."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import structlog

from panope_backends.api import Device
from panope_backends.errors import ShuttingDownError
from panope_registry.models.types import ModelEntry
from panope_server.runtime.async_registry.leases import ModelLeases
from panope_server.runtime.hardware.memory import HOST, place_of
from panope_server.runtime.models.loading.model_loading import ModelLoading, OnState
from panope_server.runtime.models.model import ModelRuntime
from panope_server.runtime.names import ResolvedName
from panope_server.runtime.placement.memory_estimates import MemoryEstimates
from panope_server.runtime.status import InstanceView, ModelState

_log = structlog.get_logger("panope.models")

MakeRuntime = Callable[[ResolvedName, OnState], ModelRuntime]


class ModelRuntimes:
    """Makes a runtime for each name that is loaded or called, and keeps it until the name means nothing any more.

    What runs has a key: a model's name, or `ResolvedName.key` of one of its variants that an alias points to, which
    runs beside the model itself.

    Args:
        make: makes the runtime of one name.
        leases: on the files of loaded models; given back with the model.
        on_state: told the key and the state after every change.
    """

    def __init__(
        self,
        make: MakeRuntime,
        leases: ModelLeases,
        on_state: Callable[[str, ModelState], None],
    ) -> None:
        self._make = make
        self._leases = leases
        self._on_state = on_state
        self._runtimes: dict[str, ModelRuntime] = {}
        self._releases: set[asyncio.Future[None]] = set()
        self._endings: set[asyncio.Task[None]] = set()
        self._reloads: dict[str, asyncio.Task[None]] = {}
        self._closing = False

    def get(self, key: str) -> ModelRuntime | None:
        """Returns what runs, or has run, under a key."""
        return self._runtimes.get(key)

    def refuse_while_closing(self) -> None:
        """ShuttingDownError when the server is stopping."""
        if self._closing:
            raise ShuttingDownError("the server is stopping", retry_after_seconds=1.0)

    def get_or_make(self, resolved: ResolvedName) -> ModelRuntime:
        """Returns the runtime of a name; ShuttingDownError when the server is stopping."""
        self.refuse_while_closing()
        runtime = self._runtimes.get(resolved.key)
        if runtime is None:
            runtime = self._runtimes[resolved.key] = self._make(resolved, self._state_changed)
        return runtime

    def all(self) -> Sequence[ModelRuntime]:
        """Returns every runtime."""
        return list(self._runtimes.values())

    def of_model(self, model: str) -> Sequence[ModelRuntime]:
        """Returns the runtimes of a model and of its variants, by key."""
        return [runtime for _, runtime in sorted(self._runtimes.items()) if runtime.resolved.model == model]

    def is_serving(self, key: str) -> bool:
        """Returns whether what has this key can answer."""
        runtime = self._runtimes.get(key)
        return runtime is not None and runtime.state is ModelState.SERVING

    def measure(self, estimates: MemoryEstimates) -> None:
        """Takes over what each model takes of the machine's memory, for its next load too."""
        for runtime in self.all():
            runtime.measure(lambda group, size_bytes: estimates.learn(group.plan, group.count, size_bytes))

    def instances(self) -> Sequence[tuple[str, InstanceView]]:
        """Returns every instance, each with the key of what it serves."""
        return [(key, view) for key, runtime in self._runtimes.items() for view in runtime.instance_views()]

    def bytes_on(self, device: Device) -> int:
        """Returns what the workers on a device hold of its memory, as they measured; adapters are in their base's."""
        there = [view for _, view in self.instances() if view.pid and view.backend == device.backend]
        if place_of(device) == HOST:
            return sum({view.pid: view.resident_bytes for view in there if view.device == device.name}.values())
        return sum({view.pid: view.memory_on(device.name) or 0 for view in there}.values())

    @property
    def is_closing(self) -> bool:
        """Whether nothing more may be loaded."""
        return self._closing

    async def unload(self, runtimes: Iterable[ModelRuntime]) -> None:
        """Ends instances and returns when their memory is free and their files may be removed."""
        await asyncio.gather(*(runtime.unload() for runtime in runtimes))
        await self.released()

    async def released(self) -> None:
        """Returns when the leases of what has ended are given back."""
        await asyncio.gather(*self._releases)

    def remove_unless(self, exists: Callable[[ResolvedName], bool]) -> None:
        """Begins to end what runs under names that mean nothing any more."""
        for key, runtime in list(self._runtimes.items()):
            if exists(runtime.resolved):
                continue
            _log.info("model_removed", model=key)
            ending = asyncio.create_task(self._runtimes.pop(key).unload())
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)

    def explain_loading(self, model: str, reason: str) -> None:
        """Says why a model, or a variant of it, is not loaded yet."""
        for runtime in self.of_model(model):
            runtime.explain_loading(reason)

    def reload_changed(self, entry_of: Callable[[str], ModelEntry | None]) -> None:
        """Begins to load again what serves other than the registry says by now, such as for another task."""
        for key, runtime in self._runtimes.items():
            entry = entry_of(runtime.resolved.model)
            if self._closing or entry is None or key in self._reloads or not runtime.is_outdated(entry):
                continue
            _log.info("model_changed", model=key, task=entry.task, revision=entry.commit)
            self._reloads[key] = asyncio.create_task(runtime.reload(entry.task))
            self._reloads[key].add_done_callback(partial(self._reloaded, key))

    def follow_keep_alive(self) -> None:
        """Takes over the times that the records of loaded models say."""
        for runtime in self.all():
            if runtime.state is ModelState.SERVING:
                runtime.keep_alive.follow()

    def _reloaded(self, key: str, _: asyncio.Task[None]) -> None:
        del self._reloads[key]

    def stop_making(self) -> None:
        """Takes no more work."""
        self._closing = True

    async def close(self) -> None:
        """Ends everything."""
        self.stop_making()
        for reload in self._reloads.values():
            reload.cancel()
        await asyncio.gather(*(runtime.unload() for runtime in self._runtimes.values()), *self._endings)
        await self._leases.close()

    def _state_changed(self, runtime: ModelLoading, state: ModelState) -> None:
        """Passes a state on; a model without workers needs its files no longer."""
        key = runtime.resolved.key
        if self._runtimes.get(key, runtime) is not runtime:
            return  # it was removed and ends; what runs under its name by now has files of its own
        self._on_state(key, state)
        if state in (ModelState.UNLOADED, ModelState.FAILED):
            release = asyncio.ensure_future(self._leases.release(key))
            self._releases.add(release)
            release.add_done_callback(self._releases.discard)
