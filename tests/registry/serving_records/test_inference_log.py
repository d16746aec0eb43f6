"""The registry's sample of calls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from panope_backends.errors import InvalidInputError
from panope_registry.serving_records import inference_log
from panope_registry.serving_records.inference_log import InferenceLog, LogFilter, LoggedCall
from panope_registry.tables.database import Database, open_engine

CALL = LoggedCall(
    created_at=datetime(2026, 1, 2, tzinfo=UTC),
    request_id="r1",
    model="acme/tiny",
    variant_digest="ab" * 32,
    instance="acme/tiny#1",
    task="embed",
    outcome="ok",
    duration_seconds=0.25,
    input_units=3,
    output_units=1 << 40,
    principal="ada",
    interface="EmbedService/Embed",
    session="s-1",
    prompt="hello",
)


@pytest.fixture
def log(database_url: str) -> Iterator[InferenceLog]:
    database = Database(open_engine(database_url))
    yield InferenceLog(database)
    database.close()


def test_calls_come_back_as_they_were_written_the_newest_first(log: InferenceLog) -> None:
    other = replace(CALL, created_at=CALL.created_at + timedelta(seconds=1), model="acme/other", outcome="overloaded")
    log.add([CALL, other])
    log.add([])
    assert log.newest() == [other, CALL]
    assert log.newest(model="acme/tiny") == [CALL]
    assert log.newest(limit=1) == [other]


def test_calls_are_found_by_what_is_told_of_them_and_followed_by_their_numbers(log: InferenceLog) -> None:
    later = CALL.created_at + timedelta(hours=1)
    failed = replace(CALL, outcome="overloaded", error_message="the queue is full", principal="", request_id="r2")
    gone = replace(CALL, outcome="cancelled", task="rerank", created_at=later, model="acme/other")
    log.add([CALL, failed, gone])

    def found(**only: object) -> list[LoggedCall]:
        return [call for _, call in log.find(LogFilter(**only))]  # type: ignore[arg-type]  # fields by their names

    assert found() == [CALL, failed, gone]
    assert [call.status for call in found()] == ["ok", "error", "cancelled"]
    assert found(status="error") == found(principal="") == found(request_id="r2") == [failed]
    assert found(status="ok", principal="ada", model="acme/tiny") == [CALL]
    assert (
        found(status="cancelled") == found(task="rerank") == found(since=later) == found(model="acme/other") == [gone]
    )
    numbers = [number for number, _ in log.find(limit=2)]
    assert [call for _, call in log.find(limit=2)] == [failed, gone], "the newest"
    assert log.find(after=numbers[0]) == [(numbers[1], gone)]
    assert log.find(after=numbers[1]) == []
    with pytest.raises(InvalidInputError, match="`status`"):
        found(status="bad")


def test_rows_of_an_older_panope_tell_less(log: InferenceLog) -> None:
    old = replace(CALL, principal=None, interface=None, session=None, prompt=None)
    log.add([old])
    assert log.newest() == [old]


def test_what_is_older_than_a_moment_is_deleted_however_much_it_is(
    log: InferenceLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference_log, "PRUNED_AT_ONCE", 2)
    log.add([replace(CALL, created_at=CALL.created_at + timedelta(minutes=minute)) for minute in range(6)])
    assert log.prune(CALL.created_at + timedelta(minutes=5)) == 5
    assert [call.created_at for call in log.newest()] == [CALL.created_at + timedelta(minutes=5)]
    assert log.prune(CALL.created_at) == 0
