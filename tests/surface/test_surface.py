"""Public names are what the committed snapshots hold."""

from __future__ import annotations

import difflib
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))  # for `surface_listings`

from surface_listings import SNAPSHOTS

FOLDER = Path(__file__).resolve().parent / "snapshots"
ADVICE = "public names changed: if that is meant, run `make surface` and say in CHANGELOG.md how to move"


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_what_is_public_is_what_its_snapshot_holds(name: str) -> None:
    listing = SNAPSHOTS[name]()
    if listing is None:
        assert os.environ.get("PANOPE_TEST_REQUIRE_GO") != "1", "this machine has no Go toolchain"
        pytest.skip("needs the Go toolchain: no `go` on PATH")

    snapshot = (FOLDER / name).read_text()

    if listing != snapshot:
        changes = difflib.unified_diff(snapshot.splitlines(), listing.splitlines(), name, "the code", n=0, lineterm="")
        pytest.fail("\n".join([ADVICE, *changes]), pytrace=False)


def test_every_snapshot_has_its_listing() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(SNAPSHOTS)
