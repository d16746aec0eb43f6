"""What is left of llama.cpp's servers that were killed with their workers."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from panope_backends.engines.llama_cpp.local_server import remove_abandoned


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary folders are; sockets' paths must be short."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def test_folders_of_servers_that_were_killed_go_and_those_of_others_stay(temporary: Path) -> None:
    old = time.time() - 3600
    with ExitStack() as stack:
        for name in ("panope-llama-killed", "panope-llama-young", "panope-llama-lives", "of-another-killed"):
            path = temporary / name / "server.sock"
            path.parent.mkdir()
            listening = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            listening.bind(str(path))
            listening.listen()
            if "lives" not in name:
                listening.close()
            if "young" not in name:
                os.utime(path, (old, old))
        remove_abandoned()
        left = sorted(folder.name for folder in temporary.iterdir())
        assert left == ["of-another-killed", "panope-llama-lives", "panope-llama-young"]
