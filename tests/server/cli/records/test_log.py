"""`panope log`."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from panope_registry.serving_records.inference_log import LoggedCall
from panope_registry.session import RegistrySession
from panope_registry.tables.columns import now

CALL = LoggedCall(
    datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "r1", "acme/tiny", "ab", "acme/tiny#1", "embed", "ok", 0.0125, 3, 1536
)
FAILED = replace(CALL, request_id="r2", outcome="overloaded", principal="ada", session="s", error_message="it is full")


@pytest.fixture
def logged(cli):
    with RegistrySession.open(cli.home / "registry.sqlite3", cli.home) as session:
        session.inference_log.add([CALL, replace(FAILED, created_at=now())])
    return cli


def test_calls_are_told_the_newest_last_by_the_words_of_the_design(logged):
    first, second = logged("log", "--json").json
    assert (first["request_id"], first["latency_ms"], first["input_size"], first["status"]) == ("r1", 12.5, 3, "ok")
    assert (first["error_type"], first["error_message"], first["prompt"]) == (None, None, None)
    assert (second["user_session_id"], second["error_type"], second["error_message"]) == (
        "s",
        "overloaded",
        "it is full",
    )
    table = logged("log", "--status", "error").out
    assert "r2" in table
    assert "it is full" in table
    assert "r1" not in table
    assert [call["request_id"] for call in logged("log", "--since", "1d", "--json").json] == ["r2"]
    assert "`--status`" in logged("log", "--status", "bad", code=2).err
    assert "sample_ratio" in logged("log", "--model", "acme/none").out


def test_calls_are_followed_as_they_are_written(logged):
    process = logged.start("log", "--follow", "--json", "--key", "ada")
    try:
        assert json.loads(process.stdout.readline())["request_id"] == "r2"
        with RegistrySession.open(logged.home / "registry.sqlite3", logged.home) as session:
            session.inference_log.add([replace(FAILED, request_id="r3"), CALL])
        assert json.loads(process.stdout.readline())["request_id"] == "r3"
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        process.communicate()
