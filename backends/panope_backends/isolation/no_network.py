"""Denies this process the network, for good: what a model's own code runs in (docs/decisions/0535).

A seccomp filter, which the kernel asks at each system call, and which every thread and every program that is started
later has too. Refused are

    sockets      of any family but Unix streams, which pairs and pipes of one process's own are made of
    connect      also to Unix sockets: a container engine's socket is as good as the machine
    io_uring     whose requests no filter sees; libraries fall back to plain calls
    ptrace, process_vm_*, pidfd_getfd    ways into other processes of the user, and to their sockets; the server's
                 launcher bars those by way of /proc
    keys typed into a terminal           by ioctl, which the shell that the server was started from would run
    limits and priorities of others      by prlimit, setpriority and the like, one of which ends or starves the server
    keyrings of the kernel               which has other programs look up a key that it lacks, such as a name's address
    calls of other architectures         whose numbers mean something else

It is a filter of calls and no sandbox: files stay what the server's user may read and write.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
import sys
from collections.abc import Collection, Iterator, Sequence
from functools import cache

from panope_backends.errors import PreconditionError

NETWORK = "network"
"""The grant of a model whose own code may use the network."""

REASON = "no_network_filter"

_PR_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER, _GET_ACTION_AVAILABLE = 1, 2
_FLAG_ALL_THREADS = 1

_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_X32 = 0x40000000
"""Calls of the x32 interface of x86-64 have this bit."""

_UNIX, _STREAM, _SEQPACKET = 1, 1, 5
_TYPE_MASK = 0xF
"""Beside a socket's type its number holds flags."""

_TYPE_KEY, _PASTE = 0x5412, 0x541C
"""Requests of ioctl that put characters into a terminal, and into a console (TIOCSTI, TIOCLINUX)."""

#: Offsets in what the filter looks at: the call's number, the architecture, and the low word of an argument.
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT, _ARGUMENT_SIZE = 0, 4, 16, 8

#: Operations of the kernel's filter machine.
_LOAD, _AND, _RETURN, _IF_EQUAL, _IF_AT_LEAST = 0x20, 0x54, 0x06, 0x15, 0x35

#: `platform.machine()` -> the kernel's number of the architecture, that of `seccomp`, and those of refused calls.
_MACHINES: dict[str, tuple[int, int, dict[str, int]]] = {
    "x86_64": (
        0xC000003E,
        317,
        {
            "socket": 41,
            "socketpair": 53,
            "connect": 42,
            "ioctl": 16,
            "ptrace": 101,
            "process_vm_readv": 310,
            "process_vm_writev": 311,
            "io_uring_setup": 425,
            "pidfd_getfd": 438,
            "add_key": 248,
            "request_key": 249,
            "keyctl": 250,
            "prlimit64": 302,
            "setpriority": 141,
            "ioprio_set": 251,
            "sched_setparam": 142,
            "sched_setscheduler": 144,
            "sched_setattr": 314,
        },
    ),
    "aarch64": (
        0xC00000B7,
        277,
        {
            "socket": 198,
            "socketpair": 199,
            "connect": 203,
            "ioctl": 29,
            "ptrace": 117,
            "process_vm_readv": 270,
            "process_vm_writev": 271,
            "io_uring_setup": 425,
            "pidfd_getfd": 438,
            "add_key": 217,
            "request_key": 218,
            "keyctl": 219,
            "prlimit64": 261,
            "setpriority": 140,
            "ioprio_set": 30,
            "sched_setparam": 118,
            "sched_setscheduler": 119,
            "sched_setattr": 274,
        },
    ),
}

#: Calls that are refused whatever their arguments.
_NOT_PERMITTED = (
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "pidfd_getfd",
    "add_key",
    "request_key",
    "keyctl",
)

#: Calls that change how the process of a number is scheduled; 0 is whoever calls.
_SCHEDULING = ("sched_setparam", "sched_setscheduler", "sched_setattr")

_PRIORITY_OF_PROCESS, _IO_PRIORITY_OF_PROCESS = 0, 1
"""Whose number `setpriority` and `ioprio_set` take; else it is that of a group, which a process may join, or a user."""

Instruction = tuple[int, int, int, int]
"""An operation, how many to skip if it holds and if not, and its number."""


@cache
def missing_reason() -> str:
    """Why this system cannot deny a process the network; empty when it can."""
    if sys.platform != "linux":
        return "this system cannot deny a process the network"
    if platform.machine() not in _MACHINES:
        return f"how to deny a process the network is not known for processors of the kind {platform.machine()}"
    action = ctypes.c_uint32(_ERRNO)
    if _seccomp(_GET_ACTION_AVAILABLE, 0, ctypes.byref(action)) != 0:
        return "this system's kernel, or the container's, has no filter of system calls (seccomp)"
    return ""


def refusal(grants: Collection[str]) -> str:
    """Why a model's own code does not run here, given the model's grants; empty when it does."""
    reason = "" if NETWORK in grants else missing_reason()
    return reason and f"a model's own code runs without network, and {reason}, unless `grants.network` lists the model"


def deny_network() -> None:
    """Denies it to this process and all that it starts; a second time it does nothing more.

    Raises:
        PreconditionError: this system cannot.
    """
    if missing := missing_reason():
        raise PreconditionError(missing, reason=REASON)
    code = b"".join(struct.pack("=HBBI", *each) for each in _program(platform.machine()))
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    libc = ctypes.CDLL(None, use_errno=True)
    # Without it only root may set a filter; it also keeps programs with more rights from having them here.
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise PreconditionError("this system refuses to deny a process the network", reason=REASON)
    if _seccomp(_SET_MODE_FILTER, _FLAG_ALL_THREADS, ctypes.byref(program)) != 0:
        raise PreconditionError("this system refuses to deny a process the network", reason=REASON)


class _Program(ctypes.Structure):
    """The kernel's `sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))


def _seccomp(operation: int, flags: int, argument: object) -> int:
    number = _MACHINES[platform.machine()][1]
    return int(ctypes.CDLL(None, use_errno=True).syscall(number, operation, flags, argument))


def _program(machine: str) -> Sequence[Instruction]:
    """The filter. Each refused call has a block of its own, at whose end the next begins."""
    architecture, _, calls = _MACHINES[machine]
    return [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_IF_EQUAL, 1, 0, architecture),
        _refused(errno.EPERM),
        (_LOAD, 0, 0, _NUMBER),
        (_IF_AT_LEAST, 0, 1, _X32),
        _refused(errno.EPERM),
        *_blocks(calls),
        (_RETURN, 0, 0, _ALLOW),
    ]


def _blocks(calls: dict[str, int]) -> Iterator[Instruction]:
    for name, body in (
        ("socket", _unless_unix_stream()),
        ("socketpair", _unless_unix_stream()),
        ("ioctl", _unless_typing()),
        ("prlimit64", _unless_limits_of_another()),
        ("setpriority", _unless_of_another(_PRIORITY_OF_PROCESS)),
        ("ioprio_set", _unless_of_another(_IO_PRIORITY_OF_PROCESS)),
        *((call, _unless_another()) for call in _SCHEDULING),
    ):
        yield (_IF_EQUAL, 0, len(body), calls[name])
        yield from body
    for name, error in (
        ("connect", errno.EACCES),
        ("io_uring_setup", errno.ENOSYS),
        *((other, errno.EPERM) for other in _NOT_PERMITTED),
    ):
        yield (_IF_EQUAL, 0, 1, calls[name])
        yield _refused(error)


def _unless_unix_stream() -> Sequence[Instruction]:
    """Looks at the two arguments and ends the filter either way."""
    return [
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_IF_EQUAL, 0, 4, _UNIX),
        (_LOAD, 0, 0, _FIRST_ARGUMENT + _ARGUMENT_SIZE),
        (_AND, 0, 0, _TYPE_MASK),
        # Datagrams are sent to any address without connecting first.
        (_IF_EQUAL, 2, 0, _STREAM),
        (_IF_EQUAL, 1, 0, _SEQPACKET),
        _refused(errno.EACCES),
        (_RETURN, 0, 0, _ALLOW),
    ]


def _unless_typing() -> Sequence[Instruction]:
    """Looks at the second argument and ends the filter either way."""
    return [
        (_LOAD, 0, 0, _FIRST_ARGUMENT + _ARGUMENT_SIZE),
        (_IF_EQUAL, 1, 0, _TYPE_KEY),
        (_IF_EQUAL, 0, 1, _PASTE),
        _refused(errno.EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]


def _unless_limits_of_another() -> Sequence[Instruction]:
    """Lets a process set its own limits and read all; looks at two arguments and ends the filter either way."""
    given = _FIRST_ARGUMENT + 2 * _ARGUMENT_SIZE
    return [
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_IF_EQUAL, 5, 0, 0),
        # The address of new limits, none for whoever reads, is two words.
        (_LOAD, 0, 0, given),
        (_IF_EQUAL, 0, 2, 0),
        (_LOAD, 0, 0, given + _ARGUMENT_SIZE // 2),
        (_IF_EQUAL, 1, 0, 0),
        _refused(errno.EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]


def _unless_of_another(kind: int) -> Sequence[Instruction]:
    """Lets a process set what is its own; looks at two arguments and ends the filter either way."""
    return [
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_IF_EQUAL, 0, 2, kind),
        (_LOAD, 0, 0, _FIRST_ARGUMENT + _ARGUMENT_SIZE),
        (_IF_EQUAL, 1, 0, 0),
        _refused(errno.EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]


def _unless_another() -> Sequence[Instruction]:
    """Lets a process change itself; looks at the first argument and ends the filter either way."""
    return [
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_IF_EQUAL, 1, 0, 0),
        _refused(errno.EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]


def _refused(error: int) -> Instruction:
    return (_RETURN, 0, 0, _ERRNO | error)
