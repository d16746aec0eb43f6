from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator

import pytest
import structlog

from panope_server.observability.logging import MAX_PENDING_LINES, LogWriter, configure_logging


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

    writer = LogWriter(Stuck())  # type: ignore[arg-type]
    for number in range(MAX_PENDING_LINES + 500):
        writer.write(f"line {number}")
    gate.set()
    writer.close()
    lines = stream.getvalue().decode().splitlines()
    dropped = json.loads(next(line for line in lines if line.startswith("{")))
    assert dropped["event"] == "log_lines_dropped"
    assert 498 <= dropped["count"] <= 500
    assert lines[0] == "line 0"
