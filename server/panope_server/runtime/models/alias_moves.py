"""Aliases that were moved: what one pointed to answers its calls until what it points to now serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import structlog

from panope_registry.models.types import ModelEntry
from panope_server.runtime.models.directory import ModelDirectory, ResolvedModel
from panope_server.runtime.names import ResolvedName

_log = structlog.get_logger("panope.models")


class _Move(NamedTuple):
    old: ResolvedName
    new: ResolvedName


class AliasMoves:
    """The moves that are not over yet. One is over when the new target serves, or the old one does no more.

    Args:
        is_serving: whether what has a key serves here.
    """

    def __init__(self, is_serving: Callable[[str], bool]) -> None:
        self._is_serving = is_serving
        self._moves: dict[str, _Move] = {}

    def changed(self, before: Mapping[str, ResolvedName], now: Mapping[str, ResolvedName]) -> None:
        """The registry was read again: alias -> where it pointed, and where it points."""
        for alias, new in now.items():
            old = self._moves[alias].old if alias in self._moves else before.get(alias, new)
            self._moves.pop(alias, None)
            if old != new and self._goes_on(_Move(old, new)):
                self._moves[alias] = _Move(old, new)
                _log.info("alias_moved", alias=alias, old=old.key, model=new.key)
        for alias in self._moves.keys() - now.keys():
            del self._moves[alias]

    def target(self, alias: str) -> ResolvedName | None:
        """What answers the calls of an alias in the place of its target; None for that itself."""
        move = self._moves.get(alias)
        return move.old if move is not None and self._goes_on(move) else None

    def holds(self, resolved: ResolvedName) -> bool:
        """Whether something is kept because it answers for an alias that has moved."""
        return any(move.old == resolved and self._goes_on(move) for move in self._moves.values())

    def to_load(self) -> Sequence[tuple[str, ResolvedName]]:
        """The aliases whose targets are still to serve, each with its target; forgets the moves that are over."""
        self._moves = {alias: move for alias, move in self._moves.items() if self._goes_on(move)}
        return [(alias, move.new) for alias, move in self._moves.items()]

    def __len__(self) -> int:
        return len(self._moves)

    def _goes_on(self, move: _Move) -> bool:
        return self._is_serving(move.old.key) and not self._is_serving(move.new.key)


class CallDirectory:
    """What names mean to calls that are to be answered, and not to whoever loads, unloads or looks at models."""

    def __init__(self, directory: ModelDirectory, moves: AliasMoves) -> None:
        self._directory = directory
        self._moves = moves

    async def resolve(self, name: str) -> ResolvedModel:
        """The model that answers for a name; NotFoundError for none."""
        resolved = await self._directory.resolve(name)
        old = self._moves.target(name)
        entry = None if old is None else self._directory.known_entry(old.model)
        return resolved if old is None or entry is None else ResolvedModel(old, entry)

    async def default_for(self, task: str) -> str | None:
        """The model of calls that name none; None when there is no such model."""
        return await self._directory.default_for(task)

    def known_name(self, name: str) -> ResolvedName | None:
        """What answered for a name when everything was read last; None for what meant nothing then."""
        return self._moves.target(name) or self._directory.known_name(name)

    def known_models(self, name: str) -> Sequence[str]:
        """The models that may have answered for a name when everything was read last."""
        old = self._moves.target(name)
        return self._directory.known_models(name) if old is None else [old.model]

    async def entry(self, model: str) -> ModelEntry:
        """A model as it was read last, else as the registry knows it; NotFoundError when there is none of that name."""
        return await self._directory.entry(model)
