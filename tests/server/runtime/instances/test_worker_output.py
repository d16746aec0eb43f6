"""What libraries below Python write in a worker is told in the log, and cannot fill it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from structlog.testing import capture_logs

from panope_server.runtime.instances.worker.log import MAX_LINES, WINDOW_SECONDS, WorkerOutput


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


async def told(output: WorkerOutput, written: Sequence[bytes]) -> list[Any]:
    stream = asyncio.StreamReader()
    for part in written:
        stream.feed_data(part)
    stream.feed_eof()
    with capture_logs() as logged:
        await output.read(stream)
    return logged


async def test_a_librarys_lines_are_told_with_the_model_and_the_workers_own_as_fields() -> None:
    odd, own = b"TIFFReadDirectory: Warning, \xff\n", b'{"level": "info", "event": "x"}\n'
    lines = await told(WorkerOutput("a/b-0", "a/b"), [odd, b"\n", own])
    assert [(each["event"], each["model"]) for each in lines] == [("worker_output", "a/b")] * 2
    assert lines[0]["line"] == "TIFFReadDirectory: Warning, \N{REPLACEMENT CHARACTER}"
    assert lines[1]["worker"] == {"level": "info", "event": "x"}


async def test_of_a_flood_the_log_gets_some_lines_and_how_many_it_did_not_get() -> None:
    clock = Clock()
    output = WorkerOutput("a/b-0", "a/b", clock)
    flood = b"".join(b"%d\n" % number for number in range(MAX_LINES + 7))
    lines = await told(output, [flood])
    assert [each["event"] for each in lines] == ["worker_output"] * MAX_LINES + ["worker_output_dropped"]
    assert lines[-1]["lines"] == 7
    assert output.last_lines[-1] == str(MAX_LINES + 6), "the last lines say why a worker ended"
    clock.seconds += WINDOW_SECONDS
    assert [each["event"] for each in await told(output, [b"again\n"])] == ["worker_output"]
