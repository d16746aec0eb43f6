"""The schema: one on both databases, the same by migrations as by the tables, up and down, guarded."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, insert, inspect, select, text

import panope_migrations
from panope_backends.errors import PreconditionError
from panope_registry.tables import migrate as migration
from panope_registry.tables.database import open_engine
from panope_registry.tables.migrate import migrate
from panope_registry.tables.model_tables import metadata, repo, revision, vendor

MOMENT = datetime(2026, 1, 2, tzinfo=UTC)
CHILD = {"name": "v/r", "source": "folder", "created_at": MOMENT, "synced_at": MOMENT}


def _tables(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names())


def test_the_migrated_schema_is_that_of_the_tables(empty_engine: Engine) -> None:
    migrate(empty_engine)
    with empty_engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_the_names_of_constraints_are_those_of_the_tables(empty_engine: Engine) -> None:
    """Alembic compares no names of constraints; a later migration drops them by name."""
    migrate(empty_engine)
    inspector = inspect(empty_engine)
    for table in metadata.sorted_tables:
        found = {key["name"] for key in inspector.get_foreign_keys(table.name)}
        found |= {key["name"] for key in inspector.get_unique_constraints(table.name)}
        found |= {key["name"] for key in inspector.get_check_constraints(table.name)}
        found |= {inspector.get_pk_constraint(table.name)["name"]}
        assert found == {str(_full_name(empty_engine, constraint)) for constraint in table.constraints}, table.name


def _full_name(engine: Engine, constraint: object) -> str | None:
    return engine.dialect.identifier_preparer.format_constraint(constraint)  # type: ignore[arg-type] # any constraint


def test_the_head_that_a_start_compares_with_is_alembics() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(panope_migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_heads() == [panope_migrations.HEAD]


def test_down_to_nothing_and_up_again(empty_engine: Engine) -> None:
    migrate(empty_engine)
    tables = _tables(empty_engine)
    migrate(empty_engine, "base")
    assert _tables(empty_engine) == {"alembic_version"}
    migrate(empty_engine)
    assert _tables(empty_engine) == tables


def test_rows_keep_what_they_say_when_their_columns_are_renamed(empty_engine: Engine) -> None:
    migrate(empty_engine, "0004")
    job = (
        "INSERT INTO job VALUES ({}, 'k', 'queued', 0, '{{}}', '{{}}', '', NULL, '', '', 0, 0, '', 0, 1, '2026-01-02', "
        "'', 0, NULL, NULL, '', '', FALSE, '2026-01-02', NULL, NULL, NULL, NULL)"
    )
    event = "INSERT INTO alias_event VALUES ({}, 'prod', {}, '{}', 'v/m', '', {}, 'ada', 'why', '2026-01-02')"
    _run(
        empty_engine,
        job.format(1),
        job.format(2),
        "INSERT INTO job_need (job_id, needed_id) VALUES (2, 1)",
        event.format(1, 1, "set", "NULL"),
        event.format(2, 2, "removed", 1),
        "INSERT INTO alias (name, event_id) VALUES ('prod', 1)",
    )
    before = _rows(empty_engine, "alias_event")
    migrate(empty_engine)
    with empty_engine.connect() as connection:
        events = connection.execute(text("SELECT action, principal, before_id FROM alias_event ORDER BY id")).all()
        needs = connection.execute(text("SELECT job_id, depends_on_id FROM job_dependency")).all()
        aliases = connection.execute(text("SELECT name, event_id FROM alias")).all()
    assert events == [("set", "ada", None), ("deleted", "ada", 1)]
    assert (needs, aliases) == ([(2, 1)], [("prod", 1)])
    migrate(empty_engine, "0004")
    assert _rows(empty_engine, "alias_event") == before
    assert _rows(empty_engine, "job_need") == [(2, 1)]


def test_conversions_of_before_are_of_the_task_that_they_were_made_for(empty_engine: Engine) -> None:
    migrate(empty_engine, "0010")
    moment = "2026-01-02"
    model = (
        "INSERT INTO model (id, vendor_id, name, revision_id, task, architecture, reasons, created_at, updated_at) "
        f"VALUES ({{}}, 1, '{{}}', 1, '{{}}', '', '{{{{}}}}', '{moment}', '{moment}')"
    )
    columns = (
        "INSERT INTO variant (id, digest, format, precision, size_bytes, parameter_count, backend, engine_version, "
        "created_at, derived_from_id"
    )
    variant = f"{columns}) VALUES ({{}}, '{{}}', 'onnx', '{{}}', 1, 1, '', '1', '{moment}', {{}})"
    _run(
        empty_engine,
        f"INSERT INTO vendor VALUES (1, 'v', '{moment}')",
        "INSERT INTO repo (id, vendor_id, name, source, created_at, synced_at) "
        f"VALUES (1, 1, 'v/r', 'folder', '{moment}', '{moment}')",
        f"INSERT INTO revision (id, repo_id, \"commit\", config, created_at) VALUES (1, 1, 'c', '{{}}', '{moment}')",
        model.format(1, "v/b", "embed"),
        model.format(2, "v/a", "classify"),
        variant.format(1, "source", "", "NULL"),
        variant.format(2, "made", "fp32", 1),
        variant.format(3, "made of it", "int8", 2),
        "INSERT INTO model_variant VALUES (1, 1, 1), (2, 1, 1)",
        "INSERT INTO component (id, variant_id, name) VALUES (1, 2, 'weights')",
    )
    before = _rows(empty_engine, "variant")
    migrate(empty_engine)
    with empty_engine.connect() as connection:
        tasks = connection.execute(text("SELECT task FROM variant ORDER BY id")).scalars().all()
    assert tasks == [None, "classify", "classify"]
    _run(
        empty_engine,
        f"{columns}, task) VALUES (4, 'other', 'onnx', 'fp32', 1, 1, '', '1', '{moment}', 1, 'embed')",
        "INSERT INTO component (id, variant_id, name) VALUES (2, 4, 'weights')",
    )
    migrate(empty_engine, "0010")
    assert _rows(empty_engine, "variant") == before
    assert [row[0] for row in _rows(empty_engine, "component")] == [1]


def test_of_jobs_that_one_key_made_the_newest_keeps_it(empty_engine: Engine) -> None:
    migrate(empty_engine, "0015")
    job = (
        "INSERT INTO job (id, kind, status, priority, payload, result, dedupe_key, requested_by, folder, "
        "progress_phase, progress_done, progress_total, progress_unit, attempt, max_attempts, run_at, lease_owner, "
        "lease_token, error_reason, error_message, retryable, created_at) VALUES ({}, 'k', '{}', 0, '{{}}', '{{}}', "
        "'{}', '', {}, '', 0, 0, '', 0, 1, '2026-01-02', '', 0, '', '', FALSE, '2026-01-02')"
    )
    kept = [(1, "succeeded", "twice"), (2, "failed", "twice"), (3, "queued", "twice"), (4, "failed", "once")]
    others = [(5, "failed", "gone"), (6, "succeeded", "gone"), (7, "failed", ""), (8, "failed", "")]
    _run(
        empty_engine,
        *(job.format(*each, f"'folder {each[0]}'") for each in kept),
        *(job.format(*each, "NULL") for each in others),
    )
    migrate(empty_engine)
    with empty_engine.connect() as connection:
        keys = connection.execute(text("SELECT dedupe_key FROM job ORDER BY id")).scalars().all()
    assert keys == ["", "", "twice", "once", "gone", "gone", "", ""]


def _run(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def _rows(engine: Engine, table: str) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(f"SELECT * FROM {table} ORDER BY 1"))]


def test_at_the_head_nothing_is_run(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migration, "_run", lambda *_: pytest.fail("migrated again"))
    migrate(engine)


def test_a_newer_schema_is_refused_and_left_alone(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(PreconditionError, match="a newer Panope made") as caught:
        migrate(engine)
    assert caught.value.reason == "schema_too_new"
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "9999"


def test_several_starters_migrate_once(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    upgrades: list[str] = []
    upgrade = command.upgrade

    def counted(config: Config, to: str) -> None:
        with_version = migration._version(config.attributes["connection"])
        upgrades.append(str(with_version))
        upgrade(config, to)

    monkeypatch.setattr(command, "upgrade", counted)
    engines = [open_engine(empty_database_url) for _ in range(4)]
    barrier = threading.Barrier(len(engines))
    failures: list[BaseException] = []

    def start(engine: Engine) -> None:
        barrier.wait()
        try:
            migrate(engine)
        except BaseException as error:  # handed to the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=start, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for engine in engines:
        engine.dispose()
    assert failures == []
    assert upgrades.count("None") == 1


def test_a_migration_that_fails_changes_nothing(empty_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_config: Config, _to: str) -> None:
        raise RuntimeError

    migrate(empty_engine)
    migrate(empty_engine, "base")
    upgrade = command.upgrade
    monkeypatch.setattr(command, "upgrade", lambda config, to: (upgrade(config, to), fails(config, to)))
    with pytest.raises(RuntimeError):
        migrate(empty_engine)
    assert _tables(empty_engine) == {"alembic_version"}


def test_a_migration_that_breaks_references_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite alone: there foreign keys are off while tables are made anew."""
    engine = open_engine(f"sqlite:///{tmp_path / 'db'}")
    upgrade = command.upgrade

    def break_one(config: Config, to: str) -> None:
        upgrade(config, to)
        config.attributes["connection"].execute(
            text(
                "INSERT INTO repo (id, vendor_id, name, source, created_at, synced_at) "
                "VALUES (1, 77, 'a/b', 'folder', '2026-01-01', '2026-01-01')"
            )
        )

    monkeypatch.setattr(command, "upgrade", break_one)
    with pytest.raises(PreconditionError, match="table `repo`"):
        migrate(engine)
    assert _tables(engine) == set()
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1
    engine.dispose()


def test_making_a_parent_table_anew_keeps_its_children(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """On SQLite a change of a table drops it; with foreign keys on, its children would go with it."""
    with engine.begin() as connection:
        connection.execute(insert(vendor).values(id=1, name="v", created_at=MOMENT))
        connection.execute(insert(repo).values(CHILD | {"id": 1, "vendor_id": 1}))
        connection.execute(insert(revision).values(repo_id=1, commit="c", config={}, created_at=MOMENT))

    def remake(config: Config, _to: str) -> None:
        connection = config.attributes["connection"]
        with Operations(MigrationContext.configure(connection)).batch_alter_table("repo") as batch:
            batch.alter_column("source", nullable=True)

    monkeypatch.setattr(command, "upgrade", remake)
    monkeypatch.setattr(migration, "_version", lambda _connection: None)
    migrate(engine)
    with engine.connect() as connection:
        assert connection.execute(select(revision.c.repo_id)).scalars().all() == [1]


def test_sqlite_is_set_up_for_several_processes(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'db'}")
    migrate(engine)
    with engine.connect() as connection:
        values = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    engine.dispose()
    assert values == {"journal_mode": "wal", "synchronous": 1, "foreign_keys": 1, "busy_timeout": 30_000}
