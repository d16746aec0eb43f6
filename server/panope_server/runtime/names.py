"""What names in calls mean: a model, or an alias of a model or of one of its variants."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from panope_backends.errors import NotFoundError
from panope_registry.models.alias_types import AliasEntry
from panope_registry.models.aliases import Aliases
from panope_registry.models.routes import Route
from panope_registry.models.variant_digest import SHOWN_DIGITS
from panope_registry.serving_records.route_statistics import RouteId
from panope_server.runtime.async_registry.last_known import LastKnown
from panope_server.runtime.async_registry.threads import call_registry


@dataclass(frozen=True, order=True)
class ResolvedName:
    """What a name means.

    Attributes:
        model: `vendor/name`.
        variant: the digest of the one variant that is meant; empty where Panope chooses.
    """

    model: str
    variant: str = ""

    @property
    def key(self) -> str:
        """The name under which it runs here: the model's own, with the first digits of the variant if one is meant."""
        return f"{self.model}@{self.variant[:SHOWN_DIGITS]}" if self.variant else self.model


@dataclass(frozen=True)
class NamedRoute:
    """A route, and whose it is.

    Attributes:
        alias: its name.
        version: of the alias.
    """

    alias: str
    version: int
    route: Route

    @property
    def id(self) -> RouteId:
        """Under which what is observed of it is kept."""
        return RouteId(self.alias, self.version)

    @property
    def targets(self) -> Mapping[str, ResolvedName]:
        """What the targets mean, by their texts, in their order."""
        return {each.text: ResolvedName(each.model, each.variant_digest) for each in self.route.targets}


@dataclass(frozen=True)
class Meaning:
    """What an alias means.

    Attributes:
        first: what it points to; of several targets the first.
        route: how calls are split among several; None for one.
    """

    first: ResolvedName
    route: NamedRoute | None = None

    @property
    def all(self) -> Sequence[ResolvedName]:
        """All targets."""
        return [self.first] if self.route is None else [*self.route.targets.values()]


OnAliases = Callable[[Mapping[str, ResolvedName], Mapping[str, ResolvedName]], None]


class NameResolver:
    """Follows the aliases.

    Args:
        on_read: told after each read of all: alias -> what it meant before, and what it means now.
    """

    def __init__(self, aliases: Aliases, on_read: OnAliases = lambda _before, _now: None) -> None:
        self._aliases = aliases
        self._on_read = on_read
        self._known = LastKnown[Meaning]()

    async def refresh(self) -> bool:
        """Reads all aliases again; False when that should be done once more, as of `LastKnown.replace`."""
        begun = self._known.begin()
        entries = await call_registry(self._aliases.list)
        before = self._first_targets()
        is_whole = self._known.replace(begun, {entry.name: _meaning(entry) for entry in entries})
        self._on_read(before, self._first_targets())
        return is_whole

    async def find(self, alias: str) -> Meaning | None:
        """Returns where an alias points; None when there is none of that name."""
        meaning = self._known.values.get(alias)
        if meaning is None:
            begun = self._known.begin()
            try:
                meaning = _meaning(await call_registry(self._aliases.get, alias))
            except NotFoundError:
                return None
            self._known.put(begun, alias, meaning)
        return meaning

    def known(self, alias: str) -> Meaning | None:
        """Returns where an alias pointed when it was read last; None for what was no alias then."""
        return self._known.values.get(alias)

    def named(self, prefix: str, after: str) -> list[tuple[str, Meaning]]:
        """Returns the aliases whose names begin so, those after a name, by name."""
        known = self._known.values.items()
        found = [(alias, meaning) for alias, meaning in known if alias.startswith(prefix) and alias > after]
        return sorted(found, key=lambda each: each[0])

    def keys(self) -> dict[str, Sequence[str]]:
        """Returns alias -> the keys of what it points to."""
        return {alias: [each.key for each in meaning.all] for alias, meaning in self._known.values.items()}

    def is_meant(self, resolved: ResolvedName) -> bool:
        """Returns whether an alias points to the variant; a model needs none."""
        return not resolved.variant or any(resolved in meaning.all for meaning in self._known.values.values())

    def _first_targets(self) -> dict[str, ResolvedName]:
        return {alias: meaning.first for alias, meaning in self._known.values.items()}


def _meaning(entry: AliasEntry) -> Meaning:
    route = None if entry.route is None else NamedRoute(entry.name, entry.version, entry.route)
    return Meaning(ResolvedName(entry.target_model, entry.variant_digest), route)
