"""What programs report, as errors of whose fault it is."""

from __future__ import annotations

import pytest

from panope_backends.errors import InternalError, PanopeError, PreconditionError
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


async def test_a_program_that_reports_nothing_is_a_defect() -> None:
    with pytest.raises(PanopeError) as refusal:
        await run_program("panope_backends.no_such_program", document={}, timeout_seconds=100)
    assert type(refusal.value) is InternalError
