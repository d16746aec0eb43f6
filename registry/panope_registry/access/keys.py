"""API keys: made, changed and read; a secret is shown once and kept as its hash alone."""

from __future__ import annotations

import builtins
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from panope_backends.errors import AlreadyExistsError, InvalidInputError, NotFoundError, PreconditionError
from panope_registry.access.changes import access_token, changing
from panope_registry.access.key_format import ApiKey
from panope_registry.access.key_types import (
    IssuedKey,
    KeyEntry,
    KeySpec,
    SecretDigest,
    StoredKey,
    limits_of,
    limits_text,
)
from panope_registry.access.limits import Counted, Limit
from panope_registry.access.pepper import Peppers
from panope_registry.access.priority import Priority
from panope_registry.access.scopes import ModelPatterns, Scopes
from panope_registry.names import MAX_INTEGER, checked_limit, checked_text, shown
from panope_registry.tables.access_tables import api_key, api_key_secret
from panope_registry.tables.columns import UtcDateTime, now
from panope_registry.tables.database import Database

MAX_NAME_LENGTH = 100
MAX_LIMITS = 16
#: As every interface calls a key's limits.
_LIMIT_FIELDS = {Counted.REQUESTS: "request_limits", Counted.TOKENS: "token_limits"}
#: How names of callers begin who are known by something else than a key: none of a key's own may.
RESERVED_NAMES = ("token:", "certificate:")
_MOMENT = bindparam("moment", type_=UtcDateTime())
_GOOD_SECRETS = (
    select(func.count())
    .where(
        api_key_secret.c.key_id == api_key.c.id,
        or_(api_key_secret.c.expires_at.is_(None), api_key_secret.c.expires_at > _MOMENT),
    )
    .scalar_subquery()
)
#: Needs `moment`.
_KEYS = select(api_key, _GOOD_SECRETS.label("secret_count"))

#: How long the secret before stays good after a rotation, unless told otherwise.
GRACE = timedelta(days=1)


class ApiKeys:
    """Safe for use by several threads, processes and machines.

    Every method raises AvailabilityError when the database does not answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, spec: KeySpec, *, peppers: Peppers, created_by: str) -> IssuedKey:
        """Makes a key.

        Raises:
            InvalidInputError: the name is empty or too long, there are too many limits, or it would have ended already.
            AlreadyExistsError: another key has the name.
        """
        moment = now()
        _check(spec, moment)
        key = ApiKey.generate()
        row = {
            "id": key.id,
            "name": spec.name,
            "scopes": spec.scopes.texts,
            "models": list(spec.models.texts),
            "max_priority": spec.max_priority.word,
            "limits": limits_text(spec.limits),
            "created_at": moment,
            "created_by": created_by,
            "expires_at": spec.expires_at,
        }
        try:
            with changing(self._database) as connection:
                connection.execute(insert(api_key).values(row))
                _add_secret(connection, key, peppers, moment)
                return IssuedKey(_entry(_row(connection, key.id, moment)), key)
        except IntegrityError:
            raise AlreadyExistsError(f"a key `{shown(spec.name)}` exists already", field="name") from None

    def list(
        self, *, include_ended: bool = False, after: str = "", limit: int = MAX_INTEGER
    ) -> builtins.list[KeyEntry]:
        """Returns the keys by name; those that were revoked or have expired only if they are asked for.

        Args:
            include_ended: whether they are.
            after: only those whose names come after it; empty for the first, too.
            limit: so many at most.
        """
        moment = now()
        wanted = _KEYS.order_by(api_key.c.name).limit(checked_limit(limit))
        if after:
            wanted = wanted.where(api_key.c.name > checked_text(after, "after"))
        if not include_ended:
            wanted = wanted.where(_is_live(moment))
        with self._database.read() as connection:
            return [_entry(row) for row in connection.execute(wanted, {"moment": moment})]

    def get(self, key: str) -> KeyEntry:
        """Returns one key, by its id or its name.

        Raises:
            NotFoundError: there is none.
        """
        moment = now()
        with self._database.read() as connection:
            return _entry(_row(connection, _id_of(connection, key), moment))

    def rotate(self, key: str, *, peppers: Peppers, grace: timedelta = GRACE) -> IssuedKey:
        """Gives a key a new secret; the newest one before stays good for the grace, and older ones end now.

        Args:
            key: its id or name.
            peppers: hash the secret.
            grace: 0 or more.

        Raises:
            InvalidInputError: the grace is less than none.
            NotFoundError: there is no such key.
            PreconditionError: it was revoked or has expired.
        """
        if grace < timedelta():
            raise InvalidInputError.at("grace", "{field} must be 0 or more")
        moment = now()
        with changing(self._database) as connection:
            key_id = _id_of(connection, key)
            entry = _entry(_row(connection, key_id, moment))
            _refuse_ended(entry, moment)
            mine = api_key_secret.c.key_id == key_id
            connection.execute(delete(api_key_secret).where(mine, api_key_secret.c.expires_at.is_not(None)))
            connection.execute(update(api_key_secret).where(mine).values(expires_at=moment + grace))
            made = ApiKey.generate(key_id)
            _add_secret(connection, made, peppers, moment)
            return IssuedKey(_entry(_row(connection, key_id, moment)), made)

    def revoke(self, key: str) -> KeyEntry:
        """Takes a key back for good; one that was revoked stays so.

        Raises:
            NotFoundError: there is no such key.
        """
        moment = now()
        with changing(self._database) as connection:
            key_id = _id_of(connection, key)
            still = (api_key.c.id == key_id) & api_key.c.revoked_at.is_(None)
            connection.execute(update(api_key).where(still).values(revoked_at=moment))
            connection.execute(delete(api_key_secret).where(api_key_secret.c.key_id == key_id))
            return _entry(_row(connection, key_id, moment))

    def change_token(self) -> int:
        """Returns a number that every change of keys and of models' limits raises."""
        with self._database.read() as connection:
            return access_token(connection)

    def find(self, key_ids: Collection[str]) -> tuple[int, dict[str, StoredKey]]:
        """Returns the keys of some ids with what callers are checked against, and the change token of that moment."""
        moment = now()
        with self._database.read() as connection:
            token = access_token(connection)
            wanted = _KEYS.where(api_key.c.id.in_(key_ids))
            entries = [_entry(row) for row in connection.execute(wanted, {"moment": moment})]
            secrets = connection.execute(select(api_key_secret).where(api_key_secret.c.key_id.in_(key_ids))).all()
        digests: dict[str, builtins.list[SecretDigest]] = {entry.id: [] for entry in entries}
        for row in secrets:
            digests[row.key_id].append(SecretDigest(row.digest, row.pepper_id, row.expires_at))
        return token, {entry.id: StoredKey(entry, tuple(digests[entry.id])) for entry in entries}

    def live_ids(self, limit: int) -> builtins.list[str]:
        """Returns the ids of keys that were not revoked and have not expired, of the newest first, so many at most."""
        wanted = select(api_key.c.id).where(_is_live(now())).order_by(api_key.c.created_at.desc()).limit(limit)
        with self._database.read() as connection:
            return builtins.list(connection.execute(wanted).scalars())

    def record_use(self, key_ids: Iterable[str]) -> None:
        """Records that keys were used, to the minute; this is no change that servers must know of."""
        minute = now().replace(second=0, microsecond=0)
        used = api_key.c.id.in_(list(key_ids))
        with self._database.write() as connection:
            # Locked in one order, so that of two servers neither waits for the other that waits for it.
            connection.execute(select(api_key.c.id).where(used).order_by(api_key.c.id).with_for_update())
            connection.execute(update(api_key).where(used).values(last_used_at=minute))

    def pepper_ids(self) -> set[str]:
        """Returns the ids of the peppers by which secrets of keys are hashed."""
        with self._database.read() as connection:
            return set(connection.execute(select(api_key_secret.c.pepper_id).distinct()).scalars())


def key_not_found(key: str) -> NotFoundError:
    """For an id or name that no key has, or none that may be known of."""
    return NotFoundError(f"there is no key `{shown(key)}`", reason="key_not_found", field="key")


def check_limits(limits: Sequence[Limit]) -> None:
    """Refuses limits of which one would hide another, with InvalidInputError."""
    for counted, field in _LIMIT_FIELDS.items():
        periods = [limit.period for limit in limits if limit.counted is counted]
        if len(set(periods)) < len(periods):
            raise InvalidInputError.at(field, "{field} has two limits with the same period")


def _is_live(moment: datetime) -> ColumnElement[bool]:
    return api_key.c.revoked_at.is_(None) & or_(api_key.c.expires_at.is_(None), api_key.c.expires_at > moment)


def _check(spec: KeySpec, moment: datetime) -> None:
    if not spec.name.strip():
        raise InvalidInputError.at("name", "{field} is empty")
    checked_text(spec.name, "name", MAX_NAME_LENGTH)
    if not spec.name.isprintable():
        raise InvalidInputError.at("name", "{field} holds characters that cannot be printed")
    if spec.name.startswith(RESERVED_NAMES):
        raise InvalidInputError.at("name", "{field} begins as the names of callers without keys do")
    check_limits(spec.limits)
    if spec.expires_at is not None and spec.expires_at <= moment:
        raise InvalidInputError.at("expires_at", "{field} is not in the future")


def _add_secret(connection: Connection, key: ApiKey, peppers: Peppers, moment: datetime) -> None:
    connection.execute(
        insert(api_key_secret).values(
            key_id=key.id, digest=peppers.digest(key.secret), pepper_id=peppers.newest, created_at=moment
        )
    )


def _id_of(connection: Connection, key: str) -> str:
    """By id first: a name that looks like another key's id means that key."""
    checked_text(key, "key")
    for column in (api_key.c.id, api_key.c.name):
        found: str | None = connection.execute(select(api_key.c.id).where(column == key)).scalar_one_or_none()
        if found is not None:
            return found
    raise key_not_found(key)


def _row(connection: Connection, key_id: str, moment: datetime) -> Row[Any]:
    return connection.execute(_KEYS.where(api_key.c.id == key_id), {"moment": moment}).one()


def _refuse_ended(entry: KeyEntry, moment: datetime) -> None:
    if (state := entry.state(moment)) != "active":
        raise PreconditionError(f"the key `{shown(entry.name)}` is {state}", reason=f"key_{state}", field="key")


def _entry(row: Row[Any]) -> KeyEntry:
    return KeyEntry(
        id=row.id,
        name=row.name,
        scopes=Scopes.stored(row.scopes),
        models=ModelPatterns(tuple(row.models)),
        max_priority=Priority.parse(row.max_priority),
        limits=limits_of(row.limits),
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
        secret_count=row.secret_count,
    )
