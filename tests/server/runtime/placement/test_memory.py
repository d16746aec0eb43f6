"""What one process may take of the machine's memory."""

from __future__ import annotations

import pytest

from panope_server.runtime.placement import memory as memory_module
from panope_server.runtime.placement.memory import ENGINE_BYTES, conversion_limit, worker_limit

GB = 10**9


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 GB, no container."""
    monkeypatch.setattr(memory_module, "machine_bytes", lambda _: 64 * GB)


@pytest.mark.usefixtures("machine")
def test_a_worker_may_allocate_what_its_model_needs_and_a_quarter_of_the_machine() -> None:
    assert worker_limit(GB, 0, on_host=True) == 4 * GB + ENGINE_BYTES + 16 * GB
    assert worker_limit(0, 0, on_host=True) == ENGINE_BYTES + 16 * GB


@pytest.mark.usefixtures("machine")
def test_no_program_may_allocate_more_than_nine_tenths_of_the_machine() -> None:
    most = 64 * GB * 9 // 10
    assert worker_limit(40 * GB, 0, on_host=True) == most
    assert worker_limit(GB, 100 * GB, on_host=True) == most
    assert worker_limit(GB, 0, on_host=False) == most, "what a driver allocates for a device is not known"
    assert conversion_limit(40 * GB) == most


@pytest.mark.usefixtures("machine")
def test_what_the_settings_allow_a_worker_is_what_it_may_allocate() -> None:
    assert worker_limit(GB, 3 * GB, on_host=True) == worker_limit(GB, 3 * GB, on_host=False) == 3 * GB
