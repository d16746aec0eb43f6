"""Control groups that tests write, in the place of the machine's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from panope_backends.host.control_groups import ControlGroups

Grouped = Callable[..., ControlGroups]


@pytest.fixture
def grouped(tmp_path: Path) -> Grouped:
    """Groups of some files, `membership` being what `/proc/self/cgroup` says."""

    def write(files: Mapping[str, object], membership: str = "0::/") -> ControlGroups:
        for name, content in files.items():
            path = tmp_path / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{content}\n")
        (tmp_path / "membership").write_text(membership)
        return ControlGroups(tmp_path / "cgroup", tmp_path / "membership")

    return write
