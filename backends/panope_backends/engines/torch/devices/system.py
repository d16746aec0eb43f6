"""What the machine has for a kind of device, asked without a library of that kind."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

#: Letters of a variable that messages show.
_SHOWN = 100


@dataclass(frozen=True)
class System:
    """This machine.

    Attributes:
        name: of the operating system, as `platform.system` has it.
        machine: of the processor, as `platform.machine` has it.
        environment: variables, of which some hide devices.
    """

    name: str = field(default_factory=platform.system)
    machine: str = field(default_factory=platform.machine)
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def has_library(self, name: str) -> bool:
        """Whether the loader finds a library, such as a driver's."""
        try:
            ctypes.CDLL(name)
        except OSError:
            return False
        return True

    def has(self, path: str) -> bool:
        """Whether there is such a file."""
        return Path(path).exists()

    def matching(self, folder: str, pattern: str) -> Sequence[str]:
        """The files of a folder whose names match a pattern of the shell's."""
        return sorted(map(str, Path(folder).glob(pattern)))

    def variable(self, name: str) -> str | None:
        """What a variable says, in as many letters as a message holds and none that a terminal obeys; None if unset."""
        told = self.environment.get(name)
        if told is None:
            return None
        clean = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in told)
        return clean if len(clean) <= _SHOWN else f"{clean[:_SHOWN]}…"

    def may_use(self, path: str) -> bool:
        """Whether this process may read and write a file of a device."""
        return os.access(path, os.R_OK | os.W_OK)

    def module_version(self, name: str) -> str:
        """The version of a driver in Linux's kernel; empty where it tells none."""
        try:
            return Path(f"/sys/module/{name}/version").read_text().strip()
        except OSError:
            return ""
