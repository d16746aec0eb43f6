from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from panope_server.observability.log_file import log_file
from panope_server.observability.log_writer import MAX_LINE_BYTES, MAX_PENDING_BYTES, MAX_PENDING_LINES, LogWriter
from panope_server.observability.logging import configure_logging


@pytest.fixture
def logged() -> Iterator[Callable[..., list[str]]]:
    """Logs through a configuration and gives the lines."""

    def log(form: str, **fields: object) -> list[str]:
        stream = io.BytesIO()
        writer = configure_logging("info", form, stream)
        logger = structlog.get_logger("test")
        logger.debug("unseen")
        logger.info("something_happened", **fields)
        writer.close()
        return stream.getvalue().decode().splitlines()

    yield log
    structlog.reset_defaults()


def test_a_line_is_one_json_object_with_time_and_level(logged) -> None:
    (line,) = logged("json", model="a/b", text="two\nlines \x1b[31m")
    event = json.loads(line)
    assert (event["event"], event["level"], event["model"]) == ("something_happened", "info", "a/b")
    assert event["time"].endswith("Z")
    assert "\x1b" not in line


@pytest.mark.parametrize("key", ["authorization", "token", "password", "x-api-key", "database_url"])
def test_secrets_are_replaced(logged, key: str) -> None:
    for form in ("json", "console"):
        assert "hunter2" not in "".join(logged(form, **{key: "hunter2"}))


def test_people_get_columns(logged) -> None:
    (line,) = logged("console", model="a/b")
    assert "something_happened" in line
    assert not line.startswith("{")


def test_an_exception_is_told_with_its_traceback(logged) -> None:
    (line,) = logged("json", exc_info=ValueError("wrong"))
    assert "ValueError: wrong" in json.loads(line)["exception"]


def test_a_reader_that_stands_still_costs_lines_and_never_the_caller() -> None:
    gate, stream = threading.Event(), io.BytesIO()

    class Stuck:
        def write(self, data: bytes) -> int:
            gate.wait(10)
            return stream.write(data)

        def flush(self) -> None:
            pass

    writer = LogWriter(Stuck())  # type: ignore[arg-type]  # a stand-in
    for number in range(MAX_PENDING_LINES + 500):
        writer.write(f"line {number}")
    gate.set()
    writer.close()
    lines = stream.getvalue().decode().splitlines()
    dropped = json.loads(next(line for line in lines if line.startswith("{")))
    assert dropped["event"] == "log_lines_dropped"
    assert 498 <= dropped["count"] <= 500
    assert lines[0] == "line 0"


def test_the_lines_of_a_moment_go_out_in_one_write_and_in_their_order() -> None:
    writes: list[bytes] = []

    class Counted:
        def write(self, data: bytes) -> None:
            writes.append(data)

        def flush(self) -> None:
            pass

    writer = LogWriter(Counted())
    for number in range(1000):
        writer.write(f"{number}")
    writer.close()
    assert b"".join(writes) == b"".join(b"%d\n" % number for number in range(1000))
    assert len(writes) < 100


def test_a_line_alone_is_written_at_once() -> None:
    stream = io.BytesIO()
    writer = LogWriter(stream)
    writer.write("alone")
    until(lambda: stream.getvalue() == b"alone\n")
    writer.close()


def test_lines_go_to_a_file_too_as_json_and_without_secrets(tmp_path: Path) -> None:
    stream = io.BytesIO()
    file = log_file(tmp_path / "logs" / "server.log", max_bytes=1 << 20, kept=2)
    writer = configure_logging("info", "console", stream, file)
    structlog.get_logger("test").info("something_happened", model="a/b", token="hunter2")
    writer.close()
    structlog.reset_defaults()
    until(lambda: (tmp_path / "logs/server.log").exists() and (tmp_path / "logs/server.log").stat().st_size > 0)
    assert file is not None
    file.close()
    event = json.loads((tmp_path / "logs/server.log").read_text())
    assert (event["event"], event["model"], event["token"]) == ("something_happened", "a/b", "[redacted]")
    assert not stream.getvalue().startswith(b"{")


def test_a_full_file_is_numbered_and_the_oldest_deleted(tmp_path: Path) -> None:
    file = log_file(tmp_path / "server.log", max_bytes=100, kept=3)
    assert file is not None
    for number in range(20):
        file.write(b"%040d\n" % number)
    file.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["server.log", "server.log.1", "server.log.2"]
    assert all(path.stat().st_size <= 100 for path in tmp_path.iterdir())
    assert (tmp_path / "server.log").read_text().endswith("19\n")


def test_no_file_is_written_unless_some_are_kept(tmp_path: Path) -> None:
    assert log_file(tmp_path / "server.log", max_bytes=100, kept=0) is None


def test_a_folder_that_is_gone_costs_lines_and_nothing_else(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = log_file(tmp_path / "logs" / "server.log", max_bytes=100, kept=1)
    assert file is not None
    (tmp_path / "logs").rmdir()
    file.write(b"lost\n")
    file.flush()
    assert capfd.readouterr().err == ""


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize(
    "fields",
    [
        {"model": "x" * 10_000_000},
        {"model": "😀" * 1_000_000},
        {"inputs": ["x" * 1000] * 1000},
        {"worker": {"x" * 100_000: "y"}},
        {"exc_info": ValueError("x" * 1_000_000)},
    ],
)
def test_a_line_stays_short_whatever_a_caller_sent(logged, form: str, fields: dict[str, object]) -> None:
    lines = logged(form, request_id="r-1", **fields)
    assert sum(len(line.encode()) for line in lines) <= MAX_LINE_BYTES + 1000
    if form == "json":
        event = json.loads(lines[0])
        assert (event["event"], event["request_id"]) == ("something_happened", "r-1")


def test_what_waits_to_be_written_is_bounded_in_bytes() -> None:
    gate, stream = threading.Event(), io.BytesIO()

    class Slow:
        def write(self, data: bytes, /) -> None:
            gate.wait(10)
            stream.write(data)

        def flush(self) -> None:
            pass

    writer = LogWriter(Slow())
    line = b"x" * MAX_LINE_BYTES
    for _ in range(2 * MAX_PENDING_BYTES // MAX_LINE_BYTES):
        writer.write(line)
    gate.set()
    writer.close()
    written = stream.getvalue()
    assert len(written) <= MAX_PENDING_BYTES + 2 * MAX_LINE_BYTES
    assert b'"log_lines_dropped"' in written
