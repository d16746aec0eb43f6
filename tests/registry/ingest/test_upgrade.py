"""A registry from before the hub keeps its rows, up and down."""

from __future__ import annotations

from sqlalchemy import Engine, text

from panope_registry.tables.migrate import migrate

MOMENT = "'2026-01-01 00:00:00+00:00'"
ROWS = (
    f"INSERT INTO vendor (id, name, created_at) VALUES (1, 'v', {MOMENT})",
    (
        "INSERT INTO repo (id, vendor_id, name, source, created_at, synced_at) "
        f"VALUES (1, 1, 'v/m', 'folder', {MOMENT}, {MOMENT})"
    ),
    f"""INSERT INTO revision (id, repo_id, "commit", config, created_at) VALUES (1, 1, 'c', '{{}}', {MOMENT})""",
    "INSERT INTO repo_file (id, revision_id, path, kind, size_bytes, sha256) VALUES (1, 1, 'a', 'other', 1, NULL)",
)


def _rows(engine: Engine) -> list[object]:
    with engine.connect() as connection:
        return [
            tuple(row)
            for table in ("repo", "repo_file")
            for row in connection.execute(text(f"SELECT id FROM {table} ORDER BY id"))
        ]


def test_rows_from_before_the_hub_stay_up_and_down(empty_engine: Engine) -> None:
    migrate(empty_engine, "0001")
    with empty_engine.connect() as connection, connection.begin():
        for row in ROWS:
            connection.execute(text(row))
    before = _rows(empty_engine)
    migrate(empty_engine)
    assert _rows(empty_engine) == before
    with empty_engine.connect() as connection:
        assert connection.execute(text("SELECT endpoint FROM repo")).scalar_one() is None
        assert connection.execute(text("SELECT git_sha1 FROM repo_file")).scalar_one() is None
    migrate(empty_engine, "0001")
    assert _rows(empty_engine) == before == [(1,), (1,)]
