"""A store that an earlier version wrote opens under the names of today, with all that is in it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from panope_registry.store.store import Store

OLD_AND_NEW = (("views", "checkouts"), ("promises", "reservations"))


@pytest.fixture
def old_store(tmp_path: Path) -> Path:
    """The folder of a store as it was."""
    folder = tmp_path / "store"
    Store(folder)
    for old, new in OLD_AND_NEW:
        (folder / new).rename(folder / old)
        (folder / old / "content").write_text(old)
    (folder / "room.lock").touch()
    return folder


def test_an_old_store_is_opened_with_its_content(old_store: Path) -> None:
    store = Store(old_store)

    assert (store.checkouts / "content").read_text() == "views"
    assert (store.reservations / "content").read_text() == "promises"
    assert not {"views", "promises", "room.lock"} & {path.name for path in old_store.iterdir()}


def test_an_old_store_may_be_opened_by_several_at_once(old_store: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        stores = list(threads.map(Store, [old_store] * 8))

    assert {(store.checkouts / "content").read_text() for store in stores} == {"views"}


def test_what_stands_under_the_new_name_is_not_replaced(old_store: Path) -> None:
    Store(old_store)
    (old_store / "views").mkdir()

    assert (Store(old_store).checkouts / "content").read_text() == "views"
