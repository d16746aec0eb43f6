"""Hands calls to the models that they were resolved to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from panope_server.runtime.call_context import CallContext
from panope_server.runtime.models.computation import Computation
from panope_server.runtime.models.directory import ResolvedModel
from panope_server.runtime.models.loading.downloads import Downloads
from panope_server.runtime.models.runtimes import ModelRuntimes
from panope_server.runtime.placement.constraints import LoadConstraints
from panope_server.runtime.placement.placement import Placement
from panope_server.runtime.placement.planning.load_planner import LoadPlanner
from panope_server.runtime.status import ModelState
from panope_server.tasks.task import Request


class ModelDispatcher:
    """Runs requests on models, and downloads what a call needs first.

    Args:
        runtimes: run requests.
        planner: knows which variant is worth a download.
        downloads: see to it that files are here.
        lazy_load: whether calls load models, and so download them.
    """

    def __init__(self, runtimes: ModelRuntimes, planner: LoadPlanner, downloads: Downloads, *, lazy_load: bool) -> None:
        self._runtimes = runtimes
        self._planner = planner
        self._downloads = downloads
        self._lazy_load = lazy_load
        self._variants: dict[str, frozenset[str]] = {}  # by key, when the model served last

    async def fetch(self, model: ResolvedModel, *, wait: bool) -> None:
        """Returns when the model's files are here; starts their download when calls may load it."""
        if not self._lazy_load or self._runtimes.is_serving(model.key):
            return
        constraints = LoadConstraints(variant=model.name.variant)
        digest = await self._planner.selector.variant_to_download(model.entry, constraints)
        await self._downloads.ensure(model.entry, digest, wait=wait)

    def facts_of(self, model: ResolvedModel) -> object:
        """What the model's workers have told of it; None for nothing."""
        runtime = self._runtimes.get(model.key)
        return None if runtime is None else runtime.facts

    def computation_of(self, model: ResolvedModel) -> Computation | None:
        """What computes a model's answers.

        A model that was unloaded, or cannot be loaded, is taken to compute as it did, for as long as it has the
        variants that it had then.

        Returns:
            None while nobody knows, and where no call may load the model.
        """
        runtime = self._runtimes.get(model.key)
        if runtime is None or runtime.computation is None:
            return None
        variants = frozenset(variant.digest for variant in model.entry.variants)
        if runtime.state is ModelState.SERVING:
            self._variants[model.key] = variants
        elif not self._lazy_load or self._variants.get(model.key) != variants:
            return None
        return runtime.computation if runtime.computation.variant_digest in variants else None

    async def run(
        self,
        model: ResolvedModel,
        requests: Sequence[Request],
        context: CallContext,
        placement: Placement,
        put: Callable[[bytes], Awaitable[None]],
    ) -> None:
        """Runs the requests of a call and puts the parts of its answer; see `ModelRuntime.run`."""
        runtime = self._runtimes.get_or_make(model.name)
        host = self._runtimes.get(runtime.host) if runtime.host else None
        if host is None:
            await runtime.run(requests, context, placement, put)
            return
        host.keep_alive.begin_call()  # what runs in its worker uses the base, too
        try:
            await runtime.run(requests, context, placement, put)
        finally:
            host.keep_alive.end_call(None)
