"""What programs report, as errors of whose fault it is."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE

import pytest

from panope_backends.errors import InternalError, PanopeError, PreconditionError
from panope_server.runtime.processes.environment import child_environment
from panope_server.runtime.processes.programs import run_program


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
