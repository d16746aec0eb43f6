"""Transactions: nothing is lost between threads, a snapshot stays one, trouble has a name."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, select
from sqlalchemy.exc import IntegrityError, StatementError

from panope_backends.errors import AvailabilityError, DataLossError, InvalidInputError, PreconditionError
from panope_registry.session import RegistrySession
from panope_registry.tables.database import Database, open_engine
from panope_registry.tables.model_tables import change_counter, model, repo, revision, vendor

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)


def test_changes_of_many_threads_are_all_counted(engine: Engine) -> None:
    database = Database(engine)

    def change() -> None:
        for _ in range(25):
            with database.change():
                pass

    threads = [threading.Thread(target=change) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert database.change_token() == 100


def test_reading_and_then_writing_loses_no_update(engine: Engine) -> None:
    """The classic of SQLite: a transaction that begins by reading must still hold the lock when it writes."""
    database = Database(engine)
    with database.write() as connection:
        connection.execute(insert(vendor).values(name="0", created_at=MOMENT))

    def add_one() -> None:
        for _ in range(20):
            with database.write() as connection:
                count = int(connection.execute(select(vendor.c.name).with_for_update()).scalar_one())
                connection.execute(vendor.update().values(name=str(count + 1)))

    threads = [threading.Thread(target=add_one) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as connection:
        assert connection.execute(select(vendor.c.name)).scalar_one() == "60"


def test_a_change_that_fails_moves_no_token(engine: Engine) -> None:
    database = Database(engine)
    before = database.change_token()
    with pytest.raises(IntegrityError), database.change() as connection:
        connection.execute(insert(vendor), [{"name": "x", "created_at": MOMENT}] * 2)
    assert database.change_token() == before
    with database.read() as connection:
        assert connection.execute(select(vendor)).all() == []


def test_a_reader_sees_one_moment(engine: Engine) -> None:
    database = Database(engine)
    with database.read() as reading:
        first = reading.execute(select(change_counter.c.value)).scalar_one()
        with database.change():
            pass
        assert reading.execute(select(change_counter.c.value)).scalar_one() == first
    assert database.change_token() == first + 1


def test_moments_come_back_in_utc_to_the_microsecond(engine: Engine) -> None:
    database = Database(engine)
    east = MOMENT.astimezone(timezone(timedelta(hours=5, minutes=30)))
    with database.write() as connection:
        connection.execute(insert(vendor).values(name="x", created_at=east))
    with database.read() as connection:
        stored = connection.execute(select(vendor.c.created_at)).scalar_one()
    assert stored == MOMENT
    assert stored.utcoffset() == timedelta(0)


def test_a_moment_without_zone_is_refused(engine: Engine) -> None:
    with pytest.raises(StatementError, match="zone"), Database(engine).write() as connection:
        connection.execute(insert(vendor).values(name="x", created_at=datetime(2026, 1, 1)))


@pytest.mark.parametrize("value", [{}, {"a": [1, None, "é\x00\ud800"]}, {"limit": float("inf")}, {"big": 10**300}])
def test_any_json_object_comes_back(engine: Engine, value: dict[str, object]) -> None:
    database = Database(engine)
    with database.write() as connection:
        connection.execute(insert(vendor).values(id=1, name="v", created_at=MOMENT))
        connection.execute(
            insert(repo).values(id=1, vendor_id=1, name="v/r", source="folder", created_at=MOMENT, synced_at=MOMENT)
        )
        connection.execute(insert(revision).values(repo_id=1, commit="c", config=value, created_at=MOMENT))
    with database.read() as connection:
        assert connection.execute(select(revision.c.config)).scalar_one() == value


def test_names_are_ordered_by_bytes_on_both_databases(engine: Engine) -> None:
    database = Database(engine)
    names = ["B", "a", "a-b", "a_b", "aB", "Z", "0"]
    with database.write() as connection:
        for name in names:
            connection.execute(insert(vendor).values(name=name, created_at=MOMENT))
    with database.read() as connection:
        assert connection.execute(select(vendor.c.name).order_by(vendor.c.name)).scalars().all() == sorted(names)


def test_rows_cannot_point_to_nothing(engine: Engine) -> None:
    values = {"vendor_id": 1, "name": "a/b", "revision_id": 1, "task": "", "architecture": "", "reasons": {}}
    with pytest.raises(IntegrityError), Database(engine).write() as connection:
        connection.execute(insert(model).values(values | {"created_at": MOMENT, "updated_at": MOMENT}))


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://x/y", "sqlite://", "sqlite:///:memory:"])
def test_other_databases_are_refused_by_the_setting(url: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError) as caught:
        RegistrySession.open(url, tmp_path / "home")
    assert caught.value.field == "database_url"


def test_a_database_that_is_away_is_said_to_be(tmp_path: Path) -> None:
    url = f"postgresql://user:secret@/none?host={tmp_path}"
    with pytest.raises(AvailabilityError) as caught:
        RegistrySession.open(url, tmp_path / "home")
    assert caught.value.reason == "database_unavailable"
    assert "secret" not in caught.value.message


def test_a_file_that_is_no_database_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "db").write_bytes(b"not a database, though long enough to look at" * 100)
    with pytest.raises(DataLossError) as caught:
        RegistrySession.open(f"sqlite:///{tmp_path / 'db'}", tmp_path / "home")
    assert caught.value.reason == "database_damaged"


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_home_that_cannot_be_made_is_said_to_be(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(PreconditionError) as caught:
        RegistrySession.open(f"sqlite:///{tmp_path / place / 'registry.sqlite3'}", tmp_path / place)
    assert caught.value.reason == "home_not_writable"
    assert str(tmp_path) not in caught.value.message


def test_every_spelling_of_postgresql_uses_psycopg() -> None:
    for spelling in ("postgres", "postgresql", "postgresql+psycopg"):
        engine = open_engine(f"{spelling}://user@host/name")
        assert engine.driver == "psycopg"
        engine.dispose()
