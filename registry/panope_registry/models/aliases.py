"""Aliases: names that point to models, or to several among which calls are split; moved only by who knows where to."""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update

from panope_backends.errors import (
    AlreadyExistsError,
    Field,
    InvalidInputError,
    NotFoundError,
    PanopeError,
    PreconditionError,
)
from panope_registry.models.alias_routes import points_to, record_route, routes_of
from panope_registry.models.alias_types import AliasAction, AliasEntry, AliasEvent
from panope_registry.models.lineage import is_for, with_sources
from panope_registry.models.routes import Route, check_distinct, check_route
from panope_registry.models.variant_digest import check_digits, only_digest
from panope_registry.names import MAX_REASON_LENGTH, checked_text, parse_model_name, shown
from panope_registry.tables.alias_tables import alias, alias_event
from panope_registry.tables.columns import now
from panope_registry.tables.database import Database
from panope_registry.tables.model_tables import model, model_variant, variant


class Aliases:
    """Safe for use by several threads, processes and machines; changes are made one at a time.

    An alias outlives its model: it points to a name, and to whatever bears it. Every method raises AvailabilityError
    when the database does not answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> AliasEntry:
        """Returns where an alias points.

        Raises:
            NotFoundError: there is no such alias.
        """
        _refuse_unknown(name)
        with self._database.read() as connection:
            return _entry(connection, _current(connection, name))

    def list(self, *, target_model: str = "") -> builtins.list[AliasEntry]:
        """Returns all aliases by name; only those with one model among their targets if it is named.

        Raises:
            InvalidInputError: that is longer than any model's name.
        """
        checked_text(target_model, "model")
        wanted = _CURRENT.order_by(alias.c.name)
        if target_model:
            wanted = wanted.where(points_to(target_model))
        with self._database.read() as connection:
            return _entries(connection, connection.execute(wanted).all())

    def set(
        self,
        name: str,
        target_model: str,
        *,
        variant_digest: str = "",
        expected: str | None,
        principal: str,
        reason: str,
    ) -> AliasEntry:
        """Points an alias to a model, now and for all servers; one that points there already keeps its version.

        Args:
            name: one or two parts by the rule of models' names: `embed`, `prod/embed`.
            target_model: a model that there is.
            variant_digest: one of its variants, by the first digits of its digest; empty lets the server choose.
            expected: where it must point now (`AliasEntry.target`), "" nowhere; None is content with anything.
            principal: makes the change.
            reason: why, for people.

        Raises:
            InvalidInputError: the name is none, the digits are too few, or the reason is too long.
            AlreadyExistsError: a model has the name.
            NotFoundError: there is no such model, or it has no such variant.
            PreconditionError: the alias points elsewhere than expected; nothing was changed.
        """
        with self._changed(name, expected, principal, reason) as (connection, before):
            digest = _check_target(connection, target_model, variant_digest)
            now_at = None if before is None else (before.target_model, before.variant_digest, before.route)
            if before is not None and now_at == (target_model, digest, None):
                return before
            target = {"target_model": target_model, "variant_digest": digest, "principal": principal, "reason": reason}
            return _point(connection, name, {"action": AliasAction.SET, **target})

    def set_route(self, name: str, route: Route, *, expected: str | None, principal: str, reason: str) -> AliasEntry:
        """Points an alias to several targets, among which its calls are split; as `set` in all else.

        Args:
            name: as for `set`.
            route: with digests of which the first digits are enough.
            expected: as for `set`.
            principal: makes the change.
            reason: why, for people.

        Raises:
            InvalidInputError: as of `check_route`; or two targets are one, or their models have different tasks.
            AlreadyExistsError: as of `set`, with NotFoundError and PreconditionError.
        """
        check_route(route)
        with self._changed(name, expected, principal, reason) as (connection, before):
            route = _checked_route(connection, route)
            if before is not None and before.route == route:
                return before
            words = {"principal": principal, "reason": reason}
            return _point(connection, name, {"action": AliasAction.SET, **words}, route)

    @contextmanager
    def _changed(
        self, name: str, expected: str | None, principal: str, reason: str
    ) -> Iterator[tuple[Connection, AliasEntry | None]]:
        """A change of a name that an alias may have, with where it points before."""
        _check_name(name)
        _check_words(principal, reason)
        with self._database.change() as connection:
            if connection.execute(select(model.c.id).where(model.c.name == name)).first():
                raise AlreadyExistsError(f"`{name}` is a model", reason="model_exists", field="alias")
            row = connection.execute(_CURRENT.where(alias.c.name == name)).one_or_none()
            before = None if row is None else _entry(connection, row)
            _check_expected(name, before, expected)
            yield connection, before

    def rollback(self, name: str, principal: str, reason: str, *, expected: str | None = None) -> AliasEntry:
        """Points an alias to where it pointed before; again, to where it pointed before that.

        Args:
            name: of the alias.
            principal: makes the change.
            reason: why, for people.
            expected: as for `set`.

        Raises:
            NotFoundError: there is no such alias, or the model or variant from before is gone.
            PreconditionError: it never pointed elsewhere, or points elsewhere than expected; nothing was changed.
            InvalidInputError: the reason is too long.
        """
        _refuse_unknown(name)
        _check_words(principal, reason)
        with self._database.change() as connection:
            current = _current(connection, name)
            _check_expected(name, _entry(connection, current), expected)
            if current.before_id is None:
                raise PreconditionError(
                    f"alias `{name}` has never pointed elsewhere", reason="no_earlier_target", field="alias"
                )
            before = connection.execute(select(alias_event).where(alias_event.c.id == current.before_id)).one()
            route = routes_of(connection, [before]).get(before.id)
            words = {"principal": principal, "reason": reason, "before_id": before.before_id}
            if route is not None:
                route = _checked_route(connection, route)
            else:
                _check_target(connection, before.target_model, before.variant_digest)
                words |= {"target_model": before.target_model, "variant_digest": before.variant_digest}
            return _point(connection, name, {"action": AliasAction.ROLLED_BACK, **words}, route)

    def remove(self, name: str, principal: str, reason: str, *, expected: str | None = None) -> None:
        """Forgets an alias; its history stays.

        Raises:
            NotFoundError: there is no such alias.
            PreconditionError: it points elsewhere than expected; nothing was changed.
            InvalidInputError: the reason is too long.
        """
        _refuse_unknown(name)
        _check_words(principal, reason)
        with self._database.change() as connection:
            _check_expected(name, _entry(connection, _current(connection, name)), expected)
            connection.execute(delete(alias).where(alias.c.name == name))
            nowhere = {"target_model": "", "variant_digest": "", "before_id": None}
            _record(
                connection, name, {"action": AliasAction.DELETED, "principal": principal, "reason": reason, **nowhere}
            )

    def history(self, name: str) -> builtins.list[AliasEvent]:
        """Returns every change of an alias, the newest first; of one that is gone, too.

        Raises:
            NotFoundError: there never was such an alias.
        """
        _refuse_unknown(name)
        wanted = select(alias_event).where(alias_event.c.alias == name).order_by(alias_event.c.version.desc())
        with self._database.read() as connection:
            rows = connection.execute(wanted).all()
            routes = routes_of(connection, rows)
            events = [_event(row, routes.get(row.id)) for row in rows]
        if not events:
            raise alias_not_found(name)
        return events


_CURRENT: Select[Any] = select(alias_event).join(alias, alias.c.event_id == alias_event.c.id)
"""The events that made aliases point where they do."""


def find_model(connection: Connection, alias_name: str) -> str:
    """Returns the model that an alias points to; empty when there is no such alias."""
    row = connection.execute(_CURRENT.where(alias.c.name == alias_name)).one_or_none()
    return str(row.target_model) if row is not None else ""


def _current(connection: Connection, name: str) -> Row[Any]:
    row = connection.execute(_CURRENT.where(alias.c.name == name)).one_or_none()
    if row is None:
        raise alias_not_found(name)
    return row


def _point(connection: Connection, name: str, values: Mapping[str, Any], route: Route | None = None) -> AliasEntry:
    """Records where an alias points now, and that it did where it did before."""
    before = connection.execute(select(alias.c.event_id).where(alias.c.name == name)).scalar_one_or_none()
    values = {"before_id": before, **values}
    if route is not None:
        first = route.targets[0]
        values |= {"target_model": first.model, "variant_digest": first.variant_digest}
        values |= {"policy": route.policy.document()}
    event_id = _record(connection, name, values)
    if route is not None:
        record_route(connection, event_id, route)
    moved = connection.execute(update(alias).where(alias.c.name == name).values(event_id=event_id))
    if moved.rowcount == 0:
        connection.execute(insert(alias).values(name=name, event_id=event_id))
    return _entry(connection, _current(connection, name))


def _record(connection: Connection, name: str, values: Mapping[str, Any]) -> int:
    last = select(func.max(alias_event.c.version)).where(alias_event.c.alias == name)
    version = (connection.execute(last).scalar_one() or 0) + 1
    event = {"alias": name, "version": version, "created_at": now(), **values}
    return int(connection.execute(insert(alias_event).values(event).returning(alias_event.c.id)).scalar_one())


def _check_name(name: str) -> None:
    try:
        parse_model_name(name)
    except InvalidInputError:
        raise InvalidInputError(
            f"`{shown(name)}` is not an alias's name: write NAME or VENDOR/NAME, as for models", field="alias"
        ) from None


def _refuse_unknown(name: str) -> None:
    """No alias has a name that none may have, and no database need be asked."""
    try:
        _check_name(name)
    except InvalidInputError:
        raise alias_not_found(name) from None


def _check_words(principal: str, reason: str) -> None:
    checked_text(principal, "principal")
    checked_text(reason, "reason", MAX_REASON_LENGTH)


def _check_expected(name: str, current: AliasEntry | None, expected: str | None) -> None:
    target = current.target if current is not None else ""
    if expected is None or expected == target:
        return
    points = f"points to `{target}`" if target else "does not exist"
    raise PreconditionError(
        f"alias `{name}` {points}, not as expected; nothing was changed", reason="alias_moved", field="expected"
    )


def _checked_route(connection: Connection, route: Route) -> Route:
    """The route with whole digests, of targets that there are."""
    targets = []
    for index, target in enumerate(route.targets):
        try:
            digest = _check_target(connection, target.model, target.variant_digest)
        except PanopeError as error:
            raise error.renamed(partial(_path_within, index)) from None
        targets.append(replace(target, variant_digest=digest))
    check_distinct(targets)
    _check_tasks(connection, [target.model for target in targets])
    return replace(route, targets=tuple(targets))


def _path_within(index: int, path: str) -> str:
    """What a field of `set` is called in a target."""
    return f"targets[{index}].{'model' if path == 'target_model' else path}"


def _check_tasks(connection: Connection, names: Sequence[str]) -> None:
    """Refuses models of different tasks: a call is of one, whichever of them answers it."""
    rows = connection.execute(select(model.c.name, model.c.task).where(model.c.name.in_(names)))
    tasks = {row.name: row.task for row in rows}
    for index, name in enumerate(names):
        if tasks[name] != tasks[names[0]]:
            raise InvalidInputError.at(
                f"targets[{index}].model",
                "{field} has the task `{task}` and {other} has `{first}`; calls of an alias are of one task",
                reason="task_mismatch",
                other=Field("targets[0].model"),
                task=tasks[name],
                first=tasks[names[0]],
            )


def _check_target(connection: Connection, target_model: str, variant_digest: str) -> str:
    """Returns the whole digest of the variant; empty when none is named."""
    try:
        parse_model_name(target_model)
    except InvalidInputError:
        raise _no_target(target_model) from None
    row = connection.execute(select(model.c.id, model.c.revision_id).where(model.c.name == target_model)).one_or_none()
    if row is None:
        raise _no_target(target_model)
    if not variant_digest:
        return ""
    check_digits(variant_digest, "variant")
    like = select(variant.c.digest).where(variant.c.digest.startswith(variant_digest)).order_by(variant.c.digest)
    offered = [
        digest for digest in connection.execute(like).scalars() if _offers(connection, row.id, row.revision_id, digest)
    ]
    return only_digest(target_model, variant_digest, offered)


def _offers(connection: Connection, model_id: int, revision_id: int, variant_digest: str) -> bool:
    """Returns whether the served revision of a model came with this variant, or with what it was converted from."""
    line = with_sources(variant.c.digest == variant_digest)
    offered = (
        select(model_variant.c.variant_id)
        .join(line, line.c.id == model_variant.c.variant_id)
        .join(model, model.c.id == model_variant.c.model_id)
        .where(model_variant.c.model_id == model_id, model_variant.c.revision_id == revision_id)
        .where(is_for(line.c.task, model.c.task))
    )
    return connection.execute(offered).first() is not None


def _entries(connection: Connection, rows: Sequence[Row[Any]]) -> list[AliasEntry]:
    routes = routes_of(connection, rows)
    return [
        AliasEntry(row.alias, row.target_model, row.variant_digest, row.version, row.created_at, routes.get(row.id))
        for row in rows
    ]


def _entry(connection: Connection, row: Row[Any]) -> AliasEntry:
    return _entries(connection, [row])[0]


def _event(row: Row[Any], route: Route | None) -> AliasEvent:
    return AliasEvent(
        alias=row.alias,
        version=row.version,
        action=AliasAction(row.action),
        target_model=row.target_model,
        variant_digest=row.variant_digest,
        principal=row.principal,
        reason=row.reason,
        created_at=row.created_at,
        route=route,
    )


def _no_target(target_model: str) -> NotFoundError:
    return NotFoundError(
        f"model `{shown(target_model)}` does not exist", reason="model_not_found", field="target_model"
    )


def alias_not_found(name: str) -> NotFoundError:
    """For a name that no alias has, or that the caller may not know of."""
    return NotFoundError(f"alias `{shown(name)}` does not exist", reason="alias_not_found", field="alias")
