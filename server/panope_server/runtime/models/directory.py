"""Which models exist and what names mean: a copy of the registry, about a second old at most."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from panope_backends.errors import AvailabilityError
from panope_registry.models.aliases import Aliases
from panope_registry.registry import ModelEntry, ModelFilter, Registry
from panope_server.runtime.async_registry.last_known import LastKnown
from panope_server.runtime.async_registry.threads import call_registry
from panope_server.runtime.models.model_views import pick
from panope_server.runtime.names import Meaning, NamedRoute, NameResolver, OnAliases, ResolvedName


@dataclass(frozen=True)
class ResolvedModel:
    """What a name meant when it was looked up; a call looks its name up once and carries this to its end.

    Attributes:
        name: the model, or the one variant of it that is meant.
        entry: of the model in the registry.
        route: of an alias with several targets, of which this is the first until one is chosen; None for one target.
    """

    name: ResolvedName
    entry: ModelEntry
    route: NamedRoute | None = None

    @property
    def key(self) -> str:
        """The name under which it runs here."""
        return self.name.key

    @property
    def task(self) -> str:
        """The model's task; empty when it is unknown or undecided."""
        return self.entry.task

    @property
    def task_candidates(self) -> Sequence[str]:
        """The tasks among which somebody must decide; empty when nobody must."""
        return self.entry.task_candidates


class ModelDirectory:
    """Looks names up and lists models. What it was not told yet, it asks the registry for.

    Args:
        default_model: of calls that name none; empty for the only model of their task.
        on_aliases: as `on_read` of `NameResolver`.
    """

    def __init__(
        self,
        registry: Registry,
        aliases: Aliases,
        default_model: str = "",
        on_aliases: OnAliases = lambda _before, _now: None,
    ) -> None:
        self._registry = registry
        self._default_model = default_model
        self._resolver = NameResolver(aliases, on_aliases)
        self._known = LastKnown[ModelEntry]()
        self._resolved: dict[str, ResolvedModel] = {}
        self._names: list[str] = []
        self._change_token: int | None = None
        self._refreshing = asyncio.Lock()

    async def refresh(self) -> bool:
        """Reads everything again if something changed; returns whether it did."""
        async with self._refreshing:
            token = await call_registry(self._registry.change_token)
            if token == self._change_token:
                return False
            begun = self._known.begin()
            entries = await call_registry(lambda: self._registry.models(limit=1_000_000))
            whole = self._known.replace(begun, {entry.name: entry for entry in entries})
            whole &= await self._resolver.refresh()
            self._names = sorted(self._entries)
            self._resolved.clear()
            self._change_token = token if whole else None
            return True

    async def resolve(self, name: str) -> ResolvedModel:
        """Returns what a name means: a model, or what the alias of that name points to.

        Raises:
            NotFoundError: there is no such model.
        """
        entry = self._entries.get(name)
        if entry is not None:
            return self._resolved_of(entry)
        meaning = await self._resolve_name(name)
        return ResolvedModel(meaning.first, await self.entry(meaning.first.model), meaning.route)

    async def resolve_now(self, name: str) -> ResolvedModel:
        """Resolves a name with what a job has just made of its model; as it was last while the database is away."""
        resolved = (await self._resolve_name(name)).first
        try:
            return ResolvedModel(resolved, await self.fresh_entry(resolved.model))
        except AvailabilityError:
            if resolved.model not in self._entries:
                raise
            return ResolvedModel(resolved, self._entries[resolved.model])

    async def fresh_entry(self, name: str) -> ModelEntry:
        """Returns a model as the registry knows it at this moment; NotFoundError when there is none of that name."""
        begun = self._known.begin()
        entry = await call_registry(self._registry.model, name)
        self._known.put(begun, name, entry)
        return entry

    async def entry(self, name: str) -> ModelEntry:
        """Returns a model as it was read last, else as the registry knows it; NotFoundError when there is none."""
        return self._entries.get(name) or await self.fresh_entry(name)

    def known_entry(self, model: str) -> ModelEntry | None:
        """Returns a model as it was read last; None for what was not read."""
        return self._entries.get(model)

    def known_name(self, name: str) -> ResolvedName | None:
        """Returns what a name meant when everything was read last; None for what meant nothing then."""
        meaning = self._known_meaning(name)
        return None if meaning is None else meaning.first

    def known_models(self, name: str) -> Sequence[str]:
        """Returns the models that a name meant when everything was read last: of an alias those of all its targets."""
        meaning = self._known_meaning(name)
        return () if meaning is None else [each.model for each in meaning.all]

    def known_targets(self, name: str) -> Sequence[ResolvedName]:
        """Returns all that a name meant when everything was read last."""
        meaning = self._known_meaning(name)
        return () if meaning is None else meaning.all

    def exists(self, resolved: ResolvedName) -> bool:
        """Returns whether there is the model, and for one of its variants an alias that points to it."""
        return resolved.model in self._entries and self._resolver.is_meant(resolved)

    async def default_for(self, task: str) -> str | None:
        """Returns the model of calls that name none: the settings' default, else the only one of the task."""
        if self._default_model:
            return self._default_model
        names = [entry.name for entry in self._entries.values() if entry.task == task]
        return names[0] if len(names) == 1 else None

    async def entries(self, only: ModelFilter, after: str, limit: int) -> Sequence[ModelEntry]:
        """Returns models by name, those after `after`."""
        # While nothing has changed, what is known here is what the database would tell, at a tenth of the cost.
        if await call_registry(self._registry.change_token) == self._change_token:
            return pick(self._entries, self._names, only, after, limit)
        entries = await call_registry(lambda: self._registry.models(only, after=after, limit=limit))
        await self._resolver.refresh()
        return entries

    def aliases(self, prefix: str, after: str) -> Sequence[tuple[str, Meaning]]:
        """Returns the aliases whose names begin so, those after a name, by name."""
        return self._resolver.named(prefix, after)

    def alias_keys(self) -> Mapping[str, Sequence[str]]:
        """Returns alias -> the keys of what it points to."""
        return self._resolver.keys()

    async def _resolve_name(self, name: str) -> Meaning:
        """Takes a name that nobody knows for a model's; its entry then is missing."""
        if name in self._entries:
            return Meaning(ResolvedName(name))
        return await self._resolver.find(name) or Meaning(ResolvedName(name))

    def _resolved_of(self, entry: ModelEntry) -> ResolvedModel:
        """What the name of a model means, made once for as long as the model stays as it is."""
        resolved = self._resolved.get(entry.name)
        if resolved is None or resolved.entry is not entry:
            resolved = self._resolved[entry.name] = ResolvedModel(ResolvedName(entry.name), entry)
        return resolved

    def _known_meaning(self, name: str) -> Meaning | None:
        return Meaning(ResolvedName(name)) if name in self._entries else self._resolver.known(name)

    @property
    def _entries(self) -> Mapping[str, ModelEntry]:
        return self._known.values
