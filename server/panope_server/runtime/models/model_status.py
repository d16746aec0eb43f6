"""What people and programs see of models: what the registry knows, joined with what runs here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from panope_backends.errors import AvailabilityError
from panope_registry.models.types import EVERY_MODEL
from panope_registry.registry import ModelEntry, ModelFilter
from panope_registry.serving_records.profiles import Profiles
from panope_server.runtime.async_registry.threads import call_registry
from panope_server.runtime.models.directory import ModelDirectory
from panope_server.runtime.models.model_views import model_view, with_profiles
from panope_server.runtime.models.runtimes import ModelRuntimes
from panope_server.runtime.names import ResolvedName
from panope_server.runtime.status import ModelState, ModelView


class ModelStatus:
    """Views of models and aliases.

    Args:
        profiles: what was measured of variants.
    """

    def __init__(self, directory: ModelDirectory, runtimes: ModelRuntimes, profiles: Profiles) -> None:
        self._directory = directory
        self._runtimes = runtimes
        self._profiles = profiles

    async def list(
        self, only: ModelFilter = EVERY_MODEL, *, loaded: bool | None = None, after: str = "", limit: int = 100
    ) -> Sequence[ModelView]:
        """Returns models and aliases by name, those after `after`; with `loaded` those that serve here, or do not.

        Of an alias, its own name and what it points to count.
        """
        wanted = only
        if loaded is not None:
            runtimes = self._runtimes.all()
            serving = frozenset(run.resolved.key for run in runtimes if run.state is ModelState.SERVING)
            wanted = replace(only, names=serving) if loaded else replace(only, not_names=serving)
        entries = await self._directory.entries(wanted, after, limit)
        views = [*map(self.view, entries), *self._aliases(only, loaded, after)]
        return sorted(views, key=lambda view: view.name)[:limit]

    async def get(self, name: str) -> ModelView:
        """Returns one model, or alias, with what was measured of it; NotFoundError when there is none of that name."""
        model = await self._directory.resolve_now(name)
        alias = "" if name == model.entry.name else name
        return await self._with_profiles(self.view(model.entry, model.name, alias))

    async def fresh(self, name: str) -> ModelView:
        """Returns one model as the registry knows it at this moment; NotFoundError when there is none of that name."""
        return await self._with_profiles(self.view(await self._directory.fresh_entry(name)))

    def known(self) -> Sequence[ModelView]:
        """Returns the models that were loaded, or asked for, since the server started."""
        names = sorted({runtime.resolved.model for runtime in self._runtimes.all()})
        return [self.view(entry) for name in names if (entry := self._directory.known_entry(name)) is not None]

    def view(self, entry: ModelEntry, resolved: ResolvedName | None = None, alias: str = "") -> ModelView:
        """Returns a model; or, by the name of an alias, it or the variant of it that the alias points to."""
        key = resolved.key if resolved is not None else entry.name
        running = [run for run in self._runtimes.of_model(entry.name) if key in (entry.name, run.resolved.key)]
        view = model_view(entry, self._runtimes.get(key), running)
        return replace(view, name=alias, alias_of=key) if alias else view

    def _aliases(self, only: ModelFilter, loaded: bool | None, after: str) -> Iterator[ModelView]:
        """Yields the aliases after a name that point to what is wanted."""
        for alias, meaning in self._directory.aliases(only.prefix, after):
            resolved = meaning.first
            entry = self._directory.known_entry(resolved.model)
            serves = any(self._runtimes.is_serving(target.key) for target in meaning.all)
            if entry is not None and loaded in {None, serves} and ModelFilter(only.task, only.format).takes(entry):
                yield self.view(entry, resolved, alias)

    async def _with_profiles(self, view: ModelView) -> ModelView:
        digests = [variant.digest for variant in view.variants]
        try:
            profiles = await call_registry(self._profiles.of_variants, digests)
        except AvailabilityError:  # what is known of the model is told without them
            return view
        return with_profiles(view, profiles) if profiles else view
