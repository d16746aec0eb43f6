"""What a scan found is taken in once, and files that stayed as they were are not read again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from panope_registry.bulk_import import BulkImporter, ImportResult
from panope_registry.ingest.discovery import discover_models
from panope_registry.registry import Registry
from panope_registry.session import RegistrySession
from panope_registry.testing.forget import forget_model

MakeModel = Callable[..., Path]
Take = Callable[[], list[ImportResult]]


@pytest.fixture
def session(tmp_path: Path, home: Path) -> Iterator[RegistrySession]:
    """On one database: nothing here asks it anything that others' tests do not."""
    session = RegistrySession.open(f"sqlite:///{tmp_path / 'registry.sqlite3'}", home)
    yield session
    session.close()


@pytest.fixture
def registry(session: RegistrySession) -> Registry:
    return session.registry


@pytest.fixture
def root(make_model: MakeModel, tmp_path: Path) -> Path:
    root = tmp_path / "root"
    shutil.copytree(make_model(), root / "acme" / "good")
    (root / "acme" / "steps").mkdir()
    (root / "acme" / "steps" / "config.pbtxt").write_text('platform: "ensemble"')
    return root


@pytest.fixture
def memory(home: Path) -> Path:
    return home / "taken.json"


@pytest.fixture
def take(registry: Registry, root: Path, memory: Path) -> Take:
    return lambda: list(BulkImporter(registry, memory).import_models(discover_models(root)))


def _told(taken: list[ImportResult]) -> list[tuple[str, bool, bool]]:
    return [(each.model.name, each.is_new, bool(each.problem)) for each in taken]


def test_what_can_be_is_imported_once_and_the_rest_is_told(take: Take, registry: Registry) -> None:
    assert _told(take()) == [("acme/good", True, False), ("acme/steps", False, True)]
    assert _told(take()) == [("acme/good", False, False), ("acme/steps", False, True)]
    assert [entry.name for entry in registry.models()] == ["acme/good"]


def test_what_stayed_as_it_was_is_not_read_again(take: Take, monkeypatch: pytest.MonkeyPatch) -> None:
    take()

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("it was read again")

    monkeypatch.setattr(Registry, "import_files", refuse)
    assert not any(each.is_new for each in take())


def test_what_changed_is_imported_anew(take: Take, registry: Registry, root: Path) -> None:
    take()
    commit = registry.model("acme/good").commit
    (root / "acme/good/README.md").write_text("# Another\n")
    assert take()[0].is_new
    assert registry.model("acme/good").commit != commit


def test_what_was_removed_comes_back(take: Take, session: RegistrySession) -> None:
    take()
    forget_model(session.database, "acme/good")
    assert take()[0].is_new


@pytest.mark.parametrize("broken", ["", "[", "[]", '{"acme/good": 3}'])
def test_a_broken_memory_costs_reading_and_no_more(take: Take, memory: Path, broken: str) -> None:
    take()
    memory.write_text(broken)
    assert _told(take()) == [("acme/good", False, False), ("acme/steps", False, True)]


def test_a_name_that_belongs_to_a_model_from_elsewhere_is_a_problem(
    take: Take, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    from panope_backends.errors import AlreadyExistsError

    def refuse(*_: object, **__: object) -> None:
        raise AlreadyExistsError("`acme/good` comes from a hub")

    monkeypatch.setattr(Registry, "import_files", refuse)
    assert take()[0].problem == "`acme/good` comes from a hub"
