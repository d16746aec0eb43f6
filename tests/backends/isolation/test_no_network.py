"""A process that has given up the network has none, nor has any thread or program of it, and gets on otherwise."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from panope_backends.errors import PreconditionError
from panope_backends.isolation import no_network
from panope_backends.isolation.no_network import deny_network, refusal
from panope_backends.isolation.own_code import prepare_for_own_code

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the filter")

#: What is tried in the process, as expressions.
REFUSED = {
    "IPv4": "socket.socket(socket.AF_INET)",
    "IPv6": "socket.socket(socket.AF_INET6)",
    "datagrams": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "netlink": "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "the host of a virtual machine": "socket.socket(socket.AF_VSOCK)",
    "datagrams to local programs": "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)",
    "pairs of datagrams": "socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)",
    "a local server": "socket.socket(socket.AF_UNIX).connect(PATH)",
    "a name": "socket.create_connection(('localhost', PORT))",
    "an earlier thread": "in_thread(socket.socket)",
    "a program that is started": "run('import socket; socket.socket()')",
    "memory of another process": "call(310 if X86 else 270, -1, 0, 0, 0, 0, 0)",
    "descriptors of another process": "call(438, 0, 0, 0)",
    "tracing": "call(101 if X86 else 117, 16, -1, 0, 0)",
    "a queue of calls": "call(425, 8, bytes(120))",
    "keys typed into a terminal": "fcntl.ioctl(TERMINAL, termios.TIOCSTI, b'x')",
    "text pasted into a console": "fcntl.ioctl(TERMINAL, 0x541C, bytes([3]))",
    "a key that the kernel lets others look up": "call(249 if X86 else 218, b'user', b'panope:none', None, 0)",
    "a new key": "call(248 if X86 else 217, b'user', b'panope:none', b'x', 1, -3)",
    "keyrings": "call(250 if X86 else 219, 0, -3, 0)",
    "limits of another process": "resource.prlimit(PARENT, resource.RLIMIT_CORE, KEPT_LIMITS)",
    "the priority of another process": "os.setpriority(os.PRIO_PROCESS, PARENT, NICE)",
    "the priority of a group": "os.setpriority(os.PRIO_PGRP, 0, NICE)",
    "the priority of a user": "os.setpriority(os.PRIO_USER, 0, NICE)",
    "a schedule of another process": "os.sched_setscheduler(PARENT, os.SCHED_OTHER, os.sched_param(0))",
    "a parameter of another process's schedule": "os.sched_setparam(PARENT, os.sched_param(0))",
    "attributes of another process's schedule": "call(314 if X86 else 274, PARENT, SCHEDULE, 0)",
    "the priority of another process's files": "call(251 if X86 else 30, 1, PARENT, 0)",
    "the priority of a user's files": "call(251 if X86 else 30, 3, 0, 0)",
    "the other numbers of x86-64": "call(0x40000000 + 41, 2, 1, 0) if X86 else socket.socket()",
}
ALLOWED = {
    "a pair": "[end.close() for end in socket.socketpair()]",
    "a pipe": "os.pipe()",
    "the size of a terminal": "fcntl.ioctl(TERMINAL, termios.TIOCGWINSZ, bytes(8))",
    "a program": "run('pass')",
    "what a connection that was there sends": "KEPT.sendall(b'x')",
    "an event loop": "asyncio.run(asyncio.sleep(0))",
    "limits of its own": "resource.setrlimit(resource.RLIMIT_CORE, KEPT_LIMITS)",
    "limits of another, which it reads": "resource.prlimit(PARENT, resource.RLIMIT_CORE)",
    "its own priority": "os.nice(0)",
    "its own schedule": "os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))",
    "the priority of its files": "call(251 if X86 else 30, 1, 0, 0)",
    "the cores of a thread": "os.sched_setaffinity(threading.get_native_id(), os.sched_getaffinity(0))",
    "a process": "multiprocessing.get_context('fork').Pool(1).map(abs, [-1])",
}
PROGRAM = """
import asyncio, ctypes, fcntl, json, multiprocessing, os, platform, queue, resource, socket, struct, subprocess, sys
import termios, threading
from panope_backends.isolation.no_network import deny_network

X86 = platform.machine() == "x86_64"
PATH, PORT = sys.argv[1], int(sys.argv[2])
KEPT = socket.socket(socket.AF_UNIX)
KEPT.connect(PATH)
TERMINAL = os.openpty()[1]
PARENT, NICE = os.getppid(), os.getpriority(os.PRIO_PROCESS, 0)
KEPT_LIMITS = resource.getrlimit(resource.RLIMIT_CORE)
SCHEDULE = struct.pack("=IIQiIQQQ", 48, 0, 0, NICE, 0, 0, 0, 0)
work, done = queue.Queue(), queue.Queue()

def worker():
    while True:
        try:
            done.put(work.get()())
        except OSError as error:
            done.put(error)

threading.Thread(target=worker, daemon=True).start()

def in_thread(function):
    work.put(function)
    found = done.get()
    if isinstance(found, OSError):
        raise found

def run(code):
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)

def call(*arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(*arguments) < 0:
        raise OSError(ctypes.get_errno(), "")

def outcome(expression):
    try:
        eval(expression)
    except (OSError, subprocess.CalledProcessError) as error:
        return type(error).__name__
    return "done"

if len(sys.argv) == 4:
    deny_network()
    deny_network()
print(json.dumps([outcome(expression) for expression in json.load(sys.stdin)]))
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """What came of each, by itself and in a process that had given up the network."""
    path = tmp_path_factory.mktemp("local") / "socket"
    with socket.create_server(("127.0.0.1", 0)) as internet, socket.socket(socket.AF_UNIX) as local:
        local.bind(str(path))
        local.listen()
        command = [sys.executable, "-c", PROGRAM, str(path), str(internet.getsockname()[1])]
        expressions = json.dumps([*REFUSED.values(), *ALLOWED.values()])
        found = {
            name: json.loads(
                subprocess.run([*command, *more], input=expressions, capture_output=True, text=True, check=True).stdout
            )
            for name, more in {"free": (), "denied": ("deny",)}.items()
        }
    return {name: dict(zip([*REFUSED, *ALLOWED], each, strict=True)) for name, each in found.items()}


@pytest.mark.parametrize("what", ["keys typed into a terminal", "text pasted into a console"])
def test_it_is_the_filter_that_refuses_what_a_terminal_may_refuse_too(
    outcomes: dict[str, dict[str, str]], what: str
) -> None:
    """Kernels refuse them by other errors, or, to root, not at all."""
    assert outcomes["free"][what] != "PermissionError"
    assert outcomes["denied"][what] == "PermissionError"


@pytest.mark.parametrize("what", ["a key that the kernel lets others look up", "a new key", "keyrings"])
def test_keyrings_are_closed_and_not_merely_empty(outcomes: dict[str, dict[str, str]], what: str) -> None:
    assert outcomes["denied"][what] == "PermissionError"


@pytest.mark.parametrize("what", [what for what, tried in REFUSED.items() if "PARENT" in tried or "PRIO" in tried])
def test_limits_and_priorities_of_others_are_the_filters_to_refuse(
    outcomes: dict[str, dict[str, str]], what: str
) -> None:
    """The kernel lets a user's processes end and starve each other by them."""
    assert (outcomes["free"][what], outcomes["denied"][what]) == ("done", "PermissionError")


@pytest.mark.parametrize("what", REFUSED)
def test_there_is_no_way_out(outcomes: dict[str, dict[str, str]], what: str) -> None:
    assert outcomes["denied"][what] in ("PermissionError", "OSError", "CalledProcessError")


def test_what_a_process_does_by_itself_it_does_on(outcomes: dict[str, dict[str, str]]) -> None:
    assert [outcomes["denied"][what] for what in ALLOWED] == ["done"] * len(ALLOWED)


def test_each_would_be_done_otherwise(outcomes: dict[str, dict[str, str]]) -> None:
    refused_anyway = {what for what in REFUSED if outcomes["free"][what] != "done"}
    # Kinds of sockets that a container's kernel lacks, and calls that were made with arguments that no kernel takes.
    assert not refused_anyway & {"IPv4", "datagrams", "netlink", "datagrams to local programs", "a local server"}
    assert not refused_anyway & {"a name", "an earlier thread", "a program that is started", "pairs of datagrams"}


def test_where_it_cannot_be_denied_code_is_refused_unless_a_grant_lets_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(no_network.sys, "platform", "darwin")
    no_network.missing_reason.cache_clear()
    (tmp_path / "own.py").touch()
    try:
        assert "`grants.network` lists the model" in refusal(["remote_code"])
        assert refusal(["remote_code", "network"]) == ""
        with pytest.raises(PreconditionError, match="this system cannot deny a process the network"):
            deny_network()
        with pytest.raises(PreconditionError, match="without network"):
            prepare_for_own_code(tmp_path, ["remote_code"], "safetensors")
        assert prepare_for_own_code(tmp_path, ["remote_code", "network"], "safetensors")
        assert not prepare_for_own_code(tmp_path, ["pickles"], "safetensors")
        (tmp_path / "own.py").unlink()
        assert not prepare_for_own_code(tmp_path, ["remote_code"], "safetensors")
        with pytest.raises(PreconditionError, match="without network"):
            prepare_for_own_code(tmp_path, ["remote_code"], "python")
    finally:
        monkeypatch.undo()
        no_network.missing_reason.cache_clear()


def test_a_processor_whose_calls_are_not_known_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(no_network.platform, "machine", lambda: "s390x")
    no_network.missing_reason.cache_clear()
    try:
        assert "s390x" in no_network.missing_reason()
    finally:
        monkeypatch.undo()
        no_network.missing_reason.cache_clear()
