"""What may go wrong with a hub, by name, a number of times.

| name | options | what happens |
| --- | --- | --- |
| `status` | `code`, `retry_after`, `error_code` | that status instead of an answer |
| `drop_after` | `bytes` | the connection breaks after so many bytes of a body |
| `ignore_range` | | 200 and the whole body, whatever range was asked for |
| `not_satisfiable` | | 416 |
| `flip_byte` | `at` (-1: the last) | one byte of the body is another |
| `cut` | `bytes` | the body is shorter by so many, and its announced length fits |
| `trickle` | `bytes`, `seconds` | so many bytes, then a pause, and so on |
| `stall` | `bytes` | nothing more after so many, until the stand-in is closed |
| `gzip` | | the body is compressed, though that was not asked for |
| `redirect` | `location` | a redirect to there; `self` makes a loop |
| `drop_header` | `header` | an answer without that header |
| `then` | `action` | a call once the answer is made, before it is sent, such as one that moves a branch |
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

ANSWER_FAULTS = frozenset({"status", "redirect", "drop_header", "then"})

#: These wait for a GET that gets a file's bytes.
BODY_FAULTS = frozenset(
    {"drop_after", "ignore_range", "not_satisfiable", "flip_byte", "cut", "trickle", "stall", "gzip"}
)

NAMES = ANSWER_FAULTS | BODY_FAULTS


@dataclass
class Fault:
    """One fault.

    Attributes:
        left: how often it still happens; None for always.
        on: `hub` or `cdn`; empty for both.
        match: a part of the path of requests that it meets.
        method: of those requests; empty for all.
    """

    name: str
    options: dict[str, Any]
    left: int | None
    on: str
    match: str
    method: str


@dataclass
class Faults:
    """The faults that wait to happen."""

    _waiting: list[Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, fault: Fault) -> None:
        """Makes it happen from now on."""
        if fault.name not in NAMES:
            raise ValueError(f"there is no fault `{fault.name}`; there are {', '.join(sorted(NAMES))}")
        with self._lock:
            self._waiting.append(fault)

    def clear(self) -> None:
        """Makes none happen any more."""
        with self._lock:
            self._waiting.clear()

    def meeting(self, names: frozenset[str], on: str, method: str, path: str) -> dict[str, dict[str, Any]]:
        """Returns the faults of these names that a request meets, name -> options, and counts them."""
        met: dict[str, dict[str, Any]] = {}
        with self._lock:
            for fault in self._waiting:
                fits = (
                    fault.name in names
                    and fault.on in ("", on)
                    and fault.method in ("", method)
                    and fault.match in path
                )
                if fits and fault.left != 0 and fault.name not in met:
                    met[fault.name] = fault.options
                    fault.left = None if fault.left is None else fault.left - 1
        return met
