"""A disk that is full to the last byte: the server starts, and what makes room works."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("full_disk_program.py")
IN_TMPFS = 'mount -t tmpfs -o size=64m none "$1" && shift && exec "$@"'


def test_on_a_full_disk_the_server_starts_and_room_can_be_made(tmp_path: Path) -> None:
    own_mounts = ["unshare", "-rm", "sh", "-c", IN_TMPFS, "sh", str(tmp_path)]
    if subprocess.run([*own_mounts, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small disk needs user namespaces")
    command = [*own_mounts, sys.executable, str(PROGRAM), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert told["left"] == "0"
    assert told["serve"] == "200 0"
    assert told["ls"].startswith("0 ")
    assert "acme/large" in told["ls"]
    assert "acme/large" in told["du"]
    assert told["gc"].startswith("0 ")
    assert told["rm"].startswith("0 deleted acme/large; 4.2 MB are free again")
    assert int(told["free"]) > 4 << 20
