"""The client for threads is what the client for asyncio gives."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    """`clients/python/generate.py`."""
    spec = importlib.util.spec_from_file_location("panope_clients_generate", ROOT / "clients/python/generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def package(generate: ModuleType, tmp_path: Path) -> Path:
    """A copy of the client that a test may change."""
    copy = tmp_path / "panope_client"
    shutil.copytree(generate.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def test_the_client_for_threads_is_up_to_date(generate: ModuleType) -> None:
    assert generate.stale(generate.PACKAGE) == []


def test_a_generated_file_says_so_and_of_what(generate: ModuleType) -> None:
    for path, text in generate.outputs(generate.PACKAGE):
        assert text.startswith(f"# Generated from panope_client/aio/{path.name} by clients/python/generate.py")


def test_nothing_asynchronous_is_left_in_code_or_words(generate: ModuleType) -> None:
    for _, text in generate.outputs(generate.PACKAGE):
        _, _, generated = text.partition("\n")
        assert not any(word in generated for word in ("async", "Async", "await", "event loop", "panope_client.aio"))


def test_an_edited_a_missing_and_a_forgotten_file_are_stale_until_written_again(
    generate: ModuleType, package: Path
) -> None:
    edited, missing, forgotten = (package / "sync" / name for name in ("client.py", "job_calls.py", "old_calls.py"))
    edited.write_text(edited.read_text() + "\n")
    missing.unlink()
    forgotten.write_text("")

    assert generate.stale(package) == ["sync/client.py", "sync/job_calls.py", "sync/old_calls.py"]

    generate.write(package)
    assert generate.stale(package) == []
    assert not forgotten.exists()


def test_a_replacement_that_replaces_nothing_is_an_error(generate: ModuleType, package: Path) -> None:
    for source in (package / "aio").glob("*.py"):
        source.write_text(source.read_text().replace("used inside one event loop", "used by one task"))

    with pytest.raises(SystemExit, match=r"nothing in .* matches .*used inside one event loop"):
        generate.stale(package)
