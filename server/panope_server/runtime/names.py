"""What names in calls mean: a model, or an alias of a model or of one of its variants."""

from __future__ import annotations

from dataclasses import dataclass

from panope_backends.errors import NotFoundError
from panope_registry.models.aliases import AliasEntry, Aliases
from panope_registry.models.variant_digest import SHOWN_DIGITS
from panope_server.runtime.registry_calls.last_known import LastKnown
from panope_server.runtime.registry_calls.threads import call_registry


@dataclass(frozen=True, order=True)
class ResolvedName:
    """What a call runs.

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


class NameResolver:
    """Follows the aliases."""

    def __init__(self, aliases: Aliases) -> None:
        self._aliases = aliases
        self._known = LastKnown[ResolvedName]()
        self._by_key: dict[str, ResolvedName] = {}

    async def refresh(self) -> bool:
        """Looks at all aliases again; False when that should be done once more, as of `LastKnown.replace`."""
        begun = self._known.begin()
        entries = await call_registry(self._aliases.list)
        return self._known.replace(begun, {entry.name: _resolve(entry) for entry in entries})

    async def find(self, alias: str) -> ResolvedName | None:
        """Where an alias points; None when there is none of that name."""
        resolved = self._known.values.get(alias)
        if resolved is None:
            begun = self._known.begin()
            try:
                resolved = _resolve(await call_registry(self._aliases.get, alias))
            except NotFoundError:
                return None
            self._known.put(begun, alias, resolved)
        self._by_key[resolved.key] = resolved
        return resolved

    def known(self, alias: str) -> ResolvedName | None:
        """Where an alias pointed when all were looked at last; None for what was no alias then."""
        return self._known.values.get(alias)

    def named(self, prefix: str, after: str) -> list[tuple[str, ResolvedName]]:
        """The aliases whose names begin so, those after a name, by name."""
        found = self._known.values.items()
        return sorted((alias, resolved) for alias, resolved in found if alias.startswith(prefix) and alias > after)

    def keys(self) -> dict[str, str]:
        """Alias -> the key of what it points to."""
        return {alias: resolved.key for alias, resolved in self._known.values.items()}

    def of(self, key: str) -> ResolvedName:
        """What runs under a key that `find` has told; any other is a model's name."""
        return self._by_key.get(key) or ResolvedName(key)

    def is_meant(self, key: str) -> bool:
        """Whether an alias points to the variant that runs under a key; a model needs none."""
        resolved = self.of(key)
        return not resolved.variant or resolved in self._known.values.values()


def _resolve(entry: AliasEntry) -> ResolvedName:
    return ResolvedName(entry.target_model, entry.variant_digest)
