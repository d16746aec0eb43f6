"""Programs that end with their parent."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from panope_server.runtime.processes import launcher

LAUNCH = [sys.executable, "-m", "panope_server.runtime.processes.launcher"]


def parent_of(command: str) -> subprocess.Popen[str]:
    """A program that starts a child by `command`, says the child's pid, and waits."""
    program = f"""
        import subprocess, sys
        from panope_server.runtime.processes import launcher
        process = subprocess.Popen({command}, stdout=subprocess.PIPE, text=True)
        print(process.pid, process.stdout.readline().strip(), flush=True)
        sys.stdin.read()
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


SLEEPER = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)"]


@pytest.mark.parametrize("launch", [f"launcher.launch_command(*{SLEEPER!r})", f"{[*LAUNCH, '--', *SLEEPER]!r}"])
def test_a_child_is_the_program_itself_and_dies_with_a_killed_parent(launch):
    with parent_of(launch) as parent:
        assert parent.stdout is not None
        started, told = map(int, parent.stdout.readline().split())
        assert started == told
        process = psutil.Process(told)
        parent.kill()
        process.wait(5)


#: What a program tries on the process that started it, and on one that it started.
APART = """
import json, os, signal, subprocess, sys
from pathlib import Path

def outcome(attempt):
    try:
        attempt()
    except OSError as error:
        return type(error).__name__
    return "done"

other = int(sys.argv[1])
with subprocess.Popen(["sleep", "60"]) as own:
    found = {
        name: outcome(attempt)
        for name, attempt in {
            "memory": lambda: open(f"/proc/{other}/mem", "rb"),
            "environment": lambda: Path(f"/proc/{other}/environ").read_bytes(),
            "descriptors": lambda: os.readlink(f"/proc/{other}/fd/0"),
            "signal": lambda: os.kill(other, 0),
            "own memory": lambda: open(f"/proc/{own.pid}/mem", "rb"),
            "own signal": lambda: os.kill(own.pid, signal.SIGTERM),
            "moved file": lambda: os.rename("a/file", "b/file"),
        }.items()
    }
    own.kill()
print(json.dumps(found))
"""


def landlock_version() -> int:
    return int(ctypes.CDLL(None).syscall(444, None, 0, 1)) if sys.platform == "linux" else 0


def as_user() -> None:
    """Takes root's capabilities, by which it may look into any process, from the program that is started next."""
    for capability in range(64):
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


@pytest.mark.skipif(landlock_version() < 6, reason="this kernel cannot keep processes from each other so")
def test_a_program_reaches_no_process_but_its_own_and_all_files(tmp_path: Path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    found = {}
    with subprocess.Popen(["sleep", "60"], preexec_fn=as_user) as other:
        for name, launch in {"launched": launcher.launch_command(), "free": []}.items():
            (tmp_path / "a" / "file").touch()
            command = [*launch, sys.executable, "-c", APART, str(other.pid)]
            result = subprocess.run(
                command, cwd=tmp_path, capture_output=True, text=True, check=True, preexec_fn=as_user
            )
            found[name] = json.loads(result.stdout)
        other.kill()
    assert set(found["free"].values()) == {"done"}
    refused = {name for name, outcome in found["launched"].items() if outcome == "PermissionError"}
    assert refused == {"memory", "environment", "descriptors", "signal"}
    assert set(found["launched"].values()) == {"PermissionError", "done"}


def test_a_child_whose_parent_is_gone_already_does_not_start():
    result = subprocess.run([*LAUNCH, "--parent", "4194305", "--", "true"], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (1, "the parent is gone\n")


@pytest.mark.parametrize(
    "arguments", [[], ["true"], ["--"], ["--parent", "--", "true"], ["--parent", "x", "--", "true"]]
)
def test_a_wrong_call_tells_the_right_one(arguments):
    result = subprocess.run([*LAUNCH, *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith("usage: ")


def test_a_program_that_is_not_there_is_exit_code_127():
    result = subprocess.run([*LAUNCH, "--", "no-such-program"], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (127, "cannot run no-such-program: No such file or directory\n")


def test_arguments_streams_and_exit_code_pass_through():
    program = [sys.executable, "-c", "import sys; print(sys.argv[1:], sys.stdin.read()); sys.exit(7)", "--", "a b"]
    result = subprocess.run([*LAUNCH, "--", *program], input="in", capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (7, "['--', 'a b'] in\n")


def watcher(program: list[str]) -> list[str]:
    """The way of systems without a death signal, tried on this one."""
    code = (
        "import os, sys; from panope_server.runtime.processes.launcher import watch; "
        "sys.exit(watch(sys.argv[1:], os.getppid()))"
    )
    return [sys.executable, "-c", code, *program]


def test_elsewhere_a_watcher_kills_the_program_when_the_parent_is_killed():
    with parent_of(f"{watcher(SLEEPER)!r}") as parent:
        assert parent.stdout is not None
        watching, told = map(int, parent.stdout.readline().split())
        assert psutil.Process(told).ppid() == watching
        process = psutil.Process(told)
        parent.kill()
        process.wait(5)


def test_elsewhere_a_watcher_passes_signals_and_exit_codes_on():
    with subprocess.Popen(watcher(SLEEPER), stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        told = int(watching.stdout.readline())
        watching.terminate()
        assert watching.wait(5) == 128 + signal.SIGTERM
    assert not psutil.pid_exists(told)
    assert subprocess.run(watcher([sys.executable, "-c", "exit(3)"]), check=False).returncode == 3


def test_the_command_names_this_process_as_the_parent():
    command = launcher.launch_command("program", "argument")
    assert command[command.index("--parent") + 1] == str(os.getpid())
    assert command[command.index("--") :] == ["--", "program", "argument"]
    assert Path(command[3]) == Path(launcher.__file__)
