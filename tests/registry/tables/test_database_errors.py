"""A database that is full, read-only or damaged is said to be that; room on the disk is kept for looking at it."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import psycopg.errors
import pytest
from sqlalchemy import Engine, event
from sqlalchemy.exc import DBAPIError, OperationalError

from panope_backends.errors import AvailabilityError, CapacityError, DataLossError, PanopeError
from panope_registry.jobs import Jobs
from panope_registry.models.aliases import Aliases
from panope_registry.session import RegistrySession
from panope_registry.tables import disk_reserve
from panope_registry.tables.database import Database, open_engine
from panope_registry.tables.database_errors import translated
from panope_registry.tables.disk_reserve import LEAST_FREE_BYTES, RESERVED_BYTES, ROOMY_BYTES, Reserve

READ_ONLY = {"sqlite": "PRAGMA query_only = ON", "postgresql": "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"}


@pytest.fixture
def read_only(engine: Engine) -> Database:
    @event.listens_for(engine, "connect")
    def forbid(connection: object, _record: object) -> None:
        connection.cursor().execute(READ_ONLY[engine.dialect.name])  # type: ignore[attr-defined]  # a driver's own
        if engine.dialect.name == "postgresql":
            connection.commit()  # type: ignore[attr-defined]  # a driver's own

    return Database(engine)


def test_a_read_only_database_is_unavailable_to_writers_and_still_read(read_only: Database) -> None:
    jobs = Jobs(read_only)
    assert jobs.list() == []
    for write in (
        lambda: jobs.enqueue("kind", {}),
        lambda: Aliases(read_only).set("a", "v/m", expected=None, principal="me", reason=""),
        lambda: read_only.change().__enter__(),
    ):
        with pytest.raises(AvailabilityError) as caught:  # 503
            write()
        assert caught.value.reason == "database_read_only"
        assert caught.value.retry_after_seconds is not None


def test_a_damaged_database_is_data_loss(tmp_path: Path) -> None:
    file = tmp_path / "db"
    RegistrySession.open(file, tmp_path / "home").close()
    data = file.read_bytes()
    page = int.from_bytes(data[16:18])
    file.write_bytes(data[:page] + b"\xff" * (len(data) - page))
    engine = open_engine(file)
    with pytest.raises(DataLossError) as caught:  # 500
        Jobs(Database(engine)).list()
    assert caught.value.reason == "database_damaged"
    assert str(tmp_path) not in caught.value.message
    engine.dispose()


@pytest.mark.parametrize(
    ("cause", "kind", "reason"),
    [
        (psycopg.errors.DiskFull(), CapacityError, "disk_full"),
        (psycopg.errors.ReadOnlySqlTransaction(), AvailabilityError, "database_read_only"),
        (psycopg.errors.DataCorrupted(), DataLossError, "database_damaged"),
        (psycopg.errors.IndexCorrupted(), DataLossError, "database_damaged"),
        (psycopg.errors.AdminShutdown(), AvailabilityError, "database_unavailable"),
        (psycopg.errors.TooManyConnections(), AvailabilityError, "database_unavailable"),
        (psycopg.errors.DeadlockDetected(), AvailabilityError, "database_unavailable"),
        (SimpleNamespace(sqlite_errorcode=13), CapacityError, "disk_full"),
        (SimpleNamespace(sqlite_errorcode=4874), CapacityError, "disk_full"),
        (SimpleNamespace(sqlite_errorcode=8 | 4 << 8), AvailabilityError, "database_read_only"),
        (SimpleNamespace(sqlite_errorcode=11 | 1 << 8), DataLossError, "database_damaged"),
        (SimpleNamespace(sqlite_errorcode=26), DataLossError, "database_damaged"),
        (SimpleNamespace(sqlite_errorcode=10), AvailabilityError, "database_unavailable"),
        (SimpleNamespace(sqlite_errorcode=5), AvailabilityError, "database_unavailable"),
    ],
)
def test_drivers_words_become_ours(cause: BaseException, kind: type[PanopeError], reason: str) -> None:
    with pytest.raises(kind) as caught, translated():
        raise OperationalError("SELECT", {}, cause)
    assert caught.value.reason == reason


@pytest.mark.parametrize("cause", [psycopg.errors.UndefinedTable(), psycopg.errors.NotNullViolation()])
def test_defects_stay_what_they_are(cause: Exception) -> None:
    with pytest.raises(DBAPIError), translated():
        raise DBAPIError.instance("SELECT", {}, cause, psycopg.Error, dialect=open_engine("postgresql://h/d").dialect)


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What is free on every disk, in bytes."""
    left = [ROOMY_BYTES]
    usage = shutil._ntuple_diskusage  # type: ignore[attr-defined]  # what the real one returns
    monkeypatch.setattr(disk_reserve.shutil, "disk_usage", lambda _: usage(1 << 40, (1 << 40) - left[0], left[0]))
    return left


def test_the_reserve_goes_before_a_transaction_that_finds_the_disk_full_and_comes_again(
    tmp_path: Path, free: list[int]
) -> None:
    session = RegistrySession.open(tmp_path / "db", tmp_path / "home")
    registry = session.registry
    kept = tmp_path / "db.reserve"
    session.database.keep_reserve()
    assert kept.stat().st_size == RESERVED_BYTES
    assert len(set(kept.read_bytes()[:4096])) > 1  # not zeros, which some file systems do not write
    free[0] = LEAST_FREE_BYTES
    assert registry.models() == []
    assert kept.exists()
    free[0] = LEAST_FREE_BYTES - 1
    with session.database.change():
        assert not kept.exists()
    session.database.keep_reserve()
    assert not kept.exists()  # the disk is full
    free[0] = ROOMY_BYTES
    session.database.keep_reserve()
    assert kept.exists()
    session.close()
    free[0] = 0
    session = RegistrySession.open(tmp_path / "db", tmp_path / "home")  # a new process needs room even to read
    registry = session.registry
    assert registry.models() == []
    assert not kept.exists()
    session.close()


def test_a_small_disk_keeps_no_reserve_and_no_rest_of_one(tmp_path: Path, free: list[int]) -> None:
    free[0] = ROOMY_BYTES - 1
    assert not Reserve(tmp_path / "db").keep()
    assert list(tmp_path.iterdir()) == []
    Reserve(tmp_path / "db").release_if_needed()  # there is none
    Reserve(tmp_path / "nowhere" / "db").release_if_needed()  # nor a folder
