"""The home of a server is its own, and private; what a killed one left in the folder for sockets goes."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from panope_registry.session import RegistrySession
from panope_server.runtime.home import StartError, locked_home, run_folder_for

KILLED = """
import os, sys
from pathlib import Path
from panope_server.runtime.home import locked_home, run_folder_for
with locked_home(Path(sys.argv[1])) as lock, run_folder_for(lock) as folder:
    (folder / "grpc.sock").touch()
    print(folder, flush=True)
    os.kill(os.getpid(), 9)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where folders for sockets are."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def test_the_folder_of_a_server_that_was_killed_goes_when_the_next_one_starts(tmp_path: Path, temporary: Path) -> None:
    other = temporary / "panope-of-another"
    other.mkdir()
    home = tmp_path / "home"
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(home)], capture_output=True, text=True, check=False, timeout=60
        )
        left = Path(done.stdout.strip())
        assert done.returncode == -9
        assert sorted(temporary.iterdir()) == sorted([other, left])
    with locked_home(home) as lock, run_folder_for(lock) as folder:
        assert folder.is_dir()
        assert sorted(temporary.iterdir()) == sorted([other, folder])
    assert list(temporary.iterdir()) == [other]
    assert (home / "server.lock").read_text() == ""


def test_a_server_in_a_copy_of_a_home_leaves_the_folder_of_the_one_that_runs(tmp_path: Path) -> None:
    home, copy = tmp_path / "home", tmp_path / "copy"
    with locked_home(home) as lock, run_folder_for(lock) as folder:
        shutil.copytree(home, copy)
        with locked_home(copy) as copied, run_folder_for(copied) as other:
            assert other != folder
        assert folder.is_dir()


@pytest.mark.parametrize("said", ["", "x", "/", "/etc/passwd", "/panope-\0", "/no/panope-x", "{other}", "{link}"])
def test_nothing_else_goes_whatever_the_file_says(tmp_path: Path, said: str) -> None:
    other, link = tmp_path / "mine", tmp_path / "panope-link"
    other.mkdir()
    (other / "file").touch()
    link.symlink_to(other)
    home = tmp_path / "home"
    home.mkdir()
    (home / "server.lock").write_text(said.format(other=other, link=link))
    with locked_home(home) as lock, run_folder_for(lock) as folder:
        assert folder.is_dir()
    assert (other / "file").exists()
    assert link.is_symlink()


def test_no_second_server_uses_a_home(tmp_path: Path) -> None:
    with locked_home(tmp_path / "home"), pytest.raises(StartError, match="another server uses"):
        locked_home(tmp_path / "home")
    locked_home(tmp_path / "home").close()


@pytest.mark.parametrize("mode", [0o755, 0o777, 0o750, 0o2775])
def test_a_home_that_others_could_read_is_made_private_again(tmp_path: Path, mode: int) -> None:
    home = tmp_path / "home"
    RegistrySession.open(home / "registry.sqlite3", home).close()
    home.chmod(mode)
    (home / "registry.sqlite3").chmod(0o666)
    locked_home(home).close()
    assert _mode(home) == 0o700
    assert _mode(home / "logs") == 0o700
    home.chmod(mode)
    RegistrySession.open(home / "registry.sqlite3", home).close()
    assert _mode(home) == 0o700
    assert _mode(home / "registry.sqlite3") == 0o600


def test_a_folder_that_is_shared_on_purpose_stays_so(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    RegistrySession.open(tmp_path / "registry.sqlite3", tmp_path).close()
    assert _mode(tmp_path) == 0o1777


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
