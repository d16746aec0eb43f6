"""Which tests are collected, and in which order they run."""

from __future__ import annotations

import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

#: A module whose tests are all slow says so in one statement.
_ALL_SLOW = re.compile(r"^pytestmark = (?:\[[^\]]*)?pytest\.mark\.slow\b", re.MULTILINE)


def _slow_unwanted(config: pytest.Config) -> bool:
    return bool(config.option.markexpr == "not slow")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leaves modules of slow tests alone unimported where those are not wanted: some make large files for theirs."""
    if not _slow_unwanted(config) or not collection_path.name.startswith("test_") or collection_path.suffix != ".py":
        return None
    return True if _ALL_SLOW.search(collection_path.read_text()) else None


def _is_unwanted(collector: pytest.Collector, name: str, obj: object) -> bool:
    if not _slow_unwanted(collector.config) or not name.lower().startswith("test"):
        return False  # neither a function nor a class of tests
    return any(mark.name == "slow" for mark in getattr(obj, "pytestmark", []))


@pytest.hookimpl(tryfirst=True, specname="pytest_pycollect_makeitem")
def leave_slow_tests_unbuilt(collector: pytest.Collector, name: str, obj: object) -> list[pytest.Item] | None:
    """Leaves slow tests unbuilt where they are not wanted: one class may stand for thousands of parameters."""
    return [] if _is_unwanted(collector, name, obj) else None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, name: str, obj: object) -> Generator[None, Any, Any]:
    """The same of those that schemathesis builds whatever others say: it makes up thousands of calls as it collects."""
    made = yield
    return [] if _is_unwanted(collector, name, obj) else made


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spreads each folder's files over the run: those that wait for servers leave the cores to those that compute."""
    root = Path(__file__).parent
    folders: dict[str, list[Path]] = {}
    for path in dict.fromkeys(item.path for item in items):
        folders.setdefault(path.relative_to(root).parts[0], []).append(path)
    place = {path: (at + 0.5) / len(paths) for paths in folders.values() for at, path in enumerate(paths)}
    items.sort(key=lambda item: place[item.path])
