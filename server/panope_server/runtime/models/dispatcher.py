"""Hands calls to the models that they were resolved to."""

from __future__ import annotations

from panope_server.runtime.models.directory import ResolvedModel
from panope_server.runtime.models.downloads import Downloads
from panope_server.runtime.models.runtimes import ModelRuntimes
from panope_server.runtime.placement.constraints import LoadConstraints
from panope_server.runtime.placement.load_planner import LoadPlanner
from panope_server.runtime.placement.placement import Placement
from panope_server.tasks.task import Input, Output


class ModelDispatcher:
    """Runs work on models, and downloads what a call needs first.

    Args:
        runtimes: run work.
        planner: knows which variant is worth a download.
        downloads: see to it that files are here.
        lazy_load: whether calls load models, and so download them.
    """

    def __init__(self, runtimes: ModelRuntimes, planner: LoadPlanner, downloads: Downloads, *, lazy_load: bool) -> None:
        self._runtimes = runtimes
        self._planner = planner
        self._downloads = downloads
        self._lazy_load = lazy_load

    async def fetch(self, model: ResolvedModel, *, wait: bool) -> None:
        """Returns when the model's files are here; starts their download when calls may load it."""
        if not self._lazy_load or self._runtimes.is_serving(model.key):
            return
        constraints = LoadConstraints(variant=model.name.variant)
        digest = await self._planner.variant_to_download(model.entry, constraints)
        await self._downloads.ensure(model.entry, digest, wait=wait)

    async def run(self, model: ResolvedModel, task_input: Input, request_id: str, placement: Placement) -> Output:
        """Runs the input; `placement` tells where, also when there is no answer."""
        return await self._runtimes.get_or_make(model.name).run(task_input, request_id, placement)
