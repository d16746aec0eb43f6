"""What programs report, as errors of whose fault it is."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from panope_backends.errors import InternalError, PanopeError, PreconditionError
from panope_server.runtime.processes.environment import child_environment
from panope_server.runtime.processes.programs import LOGGED_OUTPUT_BYTES, run_program, run_program_in_thread


async def test_a_models_fault_that_a_program_reports_is_the_callers_and_keeps_its_reason() -> None:
    document = {"backend": "nobody", "format": "x", "precision": "", "folder": "", "out": "/dev/shm/panope-no-such"}
    with pytest.raises(PreconditionError) as refusal:
        await run_program(
            "panope_backends.programs.convert",
            document=document | {"model": {"name": "a/b", "format": "x"}},
            timeout_seconds=100,
            memory_bytes=1 << 30,
        )
    assert refusal.value.reason == "unknown_backend"


async def test_the_log_does_not_say_that_models_are_not_available_where_processors_alone_are_used() -> None:
    """transformers says so when it is imported without PyTorch, as workers do it for what processors compute."""
    program = "from panope_backends.media.processors import import_transformers as i; print(i().is_torch_available())"
    done = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, env=child_environment(), stdout=PIPE, stderr=PIPE
    )
    printed, log = await done.communicate()
    assert (printed.split(), log) == ([b"False"], b"")


async def test_a_program_that_reports_nothing_is_a_defect() -> None:
    with pytest.raises(PanopeError) as refusal:
        await run_program("panope_backends.no_such_program", document={}, timeout_seconds=100)
    assert type(refusal.value) is InternalError


run_unhurried = partial(run_program, timeout_seconds=100)


@pytest.mark.parametrize("in_thread", [False, True])
async def test_what_a_program_writes_beside_its_report_is_held_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_thread: bool
) -> None:
    program = "import sys; sys.stderr.write('x' * 9_000_000 + 'the end'); print('{\"ok\": false, \"message\": \"no\"}')"
    (tmp_path / "chatty.py").write_text(program)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    run = partial(asyncio.to_thread, run_program_in_thread, check=lambda: None) if in_thread else run_unhurried
    with capture_logs() as logged, pytest.raises(InternalError, match="no"):
        await run("chatty", document={})
    (failed,) = logged
    assert failed["output"].endswith("xxthe end")
    assert len(failed["output"]) == LOGGED_OUTPUT_BYTES
