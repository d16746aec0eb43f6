"""What names in calls mean: a model, or an alias of a model or of one of its variants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from panope_backends.errors import NotFoundError
from panope_registry.models.alias_types import AliasEntry
from panope_registry.models.aliases import Aliases
from panope_registry.models.variant_digest import SHOWN_DIGITS
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


OnAliases = Callable[[Mapping[str, ResolvedName], Mapping[str, ResolvedName]], None]


class NameResolver:
    """Follows the aliases.

    Args:
        on_read: told after each read of all: alias -> what it meant before, and what it means now.
    """

    def __init__(self, aliases: Aliases, on_read: OnAliases = lambda _before, _now: None) -> None:
        self._aliases = aliases
        self._on_read = on_read
        self._known = LastKnown[ResolvedName]()

    async def refresh(self) -> bool:
        """Reads all aliases again; False when that should be done once more, as of `LastKnown.replace`."""
        begun = self._known.begin()
        entries = await call_registry(self._aliases.list)
        before = self._known.values
        is_whole = self._known.replace(begun, {entry.name: _resolved(entry) for entry in entries})
        self._on_read(before, self._known.values)
        return is_whole

    async def find(self, alias: str) -> ResolvedName | None:
        """Returns where an alias points; None when there is none of that name."""
        resolved = self._known.values.get(alias)
        if resolved is None:
            begun = self._known.begin()
            try:
                resolved = _resolved(await call_registry(self._aliases.get, alias))
            except NotFoundError:
                return None
            self._known.put(begun, alias, resolved)
        return resolved

    def known(self, alias: str) -> ResolvedName | None:
        """Returns where an alias pointed when it was read last; None for what was no alias then."""
        return self._known.values.get(alias)

    def named(self, prefix: str, after: str) -> list[tuple[str, ResolvedName]]:
        """Returns the aliases whose names begin so, those after a name, by name."""
        known = self._known.values.items()
        return sorted((alias, resolved) for alias, resolved in known if alias.startswith(prefix) and alias > after)

    def keys(self) -> dict[str, str]:
        """Returns alias -> the key of what it points to."""
        return {alias: resolved.key for alias, resolved in self._known.values.items()}

    def is_meant(self, resolved: ResolvedName) -> bool:
        """Returns whether an alias points to the variant; a model needs none."""
        return not resolved.variant or resolved in self._known.values.values()


def _resolved(entry: AliasEntry) -> ResolvedName:
    return ResolvedName(entry.target_model, entry.variant_digest)
