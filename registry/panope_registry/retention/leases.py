"""Rows that keep variants in the store: leases, pins, and when something was last used.

Whoever takes one and whoever removes files wait for each other on the row that all changes lock, so that files never go
between looking whether they are here and the lease.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, delete, exists, insert, literal, select, update

from panope_backends.errors import NotFoundError, PreconditionError
from panope_registry.models.presence import lacks_files
from panope_registry.retention.types import Lease
from panope_registry.tables.database import Database
from panope_registry.tables.model_tables import change_counter, variant, variant_file
from panope_registry.tables.retention_tables import blob_use, lease, pin


@contextmanager
def retention_write(database: Database) -> Iterator[Connection]:
    """Opens a write that waits for changes and makes them wait, yet moves no change token.

    The row that all changes lock is locked, so that a lease and a removal never cross.
    """
    with database.write() as connection:
        connection.execute(select(change_counter.c.value).with_for_update())
        yield connection


def take_lease(connection: Connection, digest: str, owner: str, moment: datetime, until: datetime, store: str) -> Lease:
    """Takes a lease on a variant that is here.

    Raises:
        NotFoundError: there is no such variant.
        PreconditionError: not all its files are here.
    """
    variant_id = find_variant_id(connection, digest)
    missing = select(variant.c.id).where(variant.c.id == variant_id, lacks_files(store))
    if connection.execute(missing).first() is not None:
        raise PreconditionError("the model's files are not here: download it first", reason="not_downloaded")
    connection.execute(delete(lease).where(lease.c.lease_until <= moment))
    values = {"variant_id": variant_id, "owner": owner, "lease_until": until, "created_at": moment}
    lease_id = connection.execute(insert(lease).values(values).returning(lease.c.id)).scalar_one()
    return Lease(int(lease_id), digest, owner, until)


def renew_lease(connection: Connection, held: Lease, moment: datetime, until: datetime) -> Lease:
    """Moves the end of a lease.

    Raises:
        PreconditionError: it is over, so the files may have gone meanwhile.
    """
    still_held = and_(lease.c.id == held.id, lease.c.owner == held.owner, lease.c.lease_until > moment)
    if connection.execute(update(lease).where(still_held).values(lease_until=until)).rowcount == 0:
        raise PreconditionError("the lease on the model's files is over", reason="lease_lost")
    return Lease(held.id, held.variant_digest, held.owner, until)


def end_lease(connection: Connection, held: Lease) -> None:
    """Gives a lease back; nothing happens when it is over."""
    connection.execute(delete(lease).where(lease.c.id == held.id, lease.c.owner == held.owner))


def put_pin(connection: Connection, digest: str, principal: str, reason: str, moment: datetime) -> None:
    """Keeps a variant until it is unpinned; the first pin stays when there is one.

    Raises:
        NotFoundError: there is no such variant.
    """
    variant_id = find_variant_id(connection, digest)
    if connection.execute(select(pin.c.variant_id).where(pin.c.variant_id == variant_id)).first() is None:
        connection.execute(
            insert(pin).values(variant_id=variant_id, principal=principal, reason=reason, created_at=moment)
        )


def take_pin(connection: Connection, digest: str) -> None:
    """Lets a variant go again; nothing happens when it is not pinned.

    Raises:
        NotFoundError: there is no such variant.
    """
    connection.execute(delete(pin).where(pin.c.variant_id == find_variant_id(connection, digest)))


def record_use(connection: Connection, digest: str, store: str, moment: datetime, resolution: timedelta) -> None:
    """Records that a variant's files in a store were used; not again within `resolution`."""
    files = select(variant_file.c.sha256).where(variant_file.c.variant_id == find_variant_id(connection, digest))
    mine = and_(blob_use.c.store == store, blob_use.c.sha256.in_(files))
    connection.execute(
        update(blob_use).where(mine, blob_use.c.last_used_at <= moment - resolution).values(last_used_at=moment)
    )
    known = exists().where(blob_use.c.store == store, blob_use.c.sha256 == variant_file.c.sha256)
    new = files.add_columns(literal(store), literal(moment, blob_use.c.last_used_at.type)).where(~known).distinct()
    connection.execute(insert(blob_use).from_select(["sha256", "store", "last_used_at"], new))


def find_variant_id(connection: Connection, digest: str) -> int:
    """Returns the id of a variant.

    Raises:
        NotFoundError: there is no such variant.
    """
    variant_id = connection.execute(select(variant.c.id).where(variant.c.digest == digest)).scalar_one_or_none()
    if variant_id is None:
        raise NotFoundError("there is no such variant", reason="variant_not_found")
    return int(variant_id)
