"""One writer at a time, though the lock's file comes and goes."""

from __future__ import annotations

import fcntl
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from panope_registry.download.locks import locked


def _nobody_waits() -> None:
    raise AssertionError


def _descriptors() -> int:
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


def test_who_waited_for_a_lock_that_its_holder_removed_waits_for_the_next_one_too(tmp_path: Path) -> None:
    file = tmp_path / "key.lock"
    holders: list[AbstractContextManager[None]] = [locked(file, _nobody_waits), locked(file, _nobody_waits)]
    holders[0].__enter__()
    waited = []

    def wait() -> None:
        waited.append(len(waited))
        if waited == [0]:
            holders[0].__exit__(None, None, None)
            holders[1].__enter__()
        else:
            holders[1].__exit__(None, None, None)

    with locked(file, wait):
        assert waited == [0, 1]
        assert file.exists()
    assert not file.exists()


@pytest.mark.parametrize("error", [BlockingIOError, PermissionError])
def test_a_busy_lock_is_waited_for_however_the_file_system_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[OSError]
) -> None:
    answers: list[type[OSError] | None] = [error, None]

    def flock(_lock: int, _how: int) -> None:
        answer = answers.pop(0)
        if answer is not None:
            raise answer

    monkeypatch.setattr(fcntl, "flock", flock)
    waited = []
    with locked(tmp_path / "key.lock", lambda: waited.append(1)):
        assert waited == [1]


def test_a_wait_that_is_given_up_leaves_no_descriptor_open(tmp_path: Path) -> None:
    file = tmp_path / "key.lock"
    before = _descriptors()
    with locked(file, _nobody_waits):
        for _ in range(3):
            with pytest.raises(AssertionError), locked(file, _nobody_waits):
                pass
        assert file.exists(), "who gave up removed the lock of another"
    after = _descriptors()
    assert after == before
