"""The files of the control groups that limit this process: a container's, a service's of systemd, and those above."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True)
class ControlGroups:
    """The groups that this process is in.

    Attributes:
        mount: where the system shows control groups.
        membership: the file that names the groups of this process.
    """

    mount: Path = Path("/sys/fs/cgroup")
    membership: Path = Path("/proc/self/cgroup")

    def unified(self) -> Iterator[Path]:
        """The folders of version 2, from the process's own group up to the root."""
        return self._upwards(self.mount, self._group(""))

    def of(self, controller: str) -> Iterator[Path]:
        """The folders of version 1's controller, from the process's own group up to the root."""
        return self._upwards(self.mount / controller, self._group(controller))

    def _group(self, controller: str) -> PurePosixPath:
        """The group of a controller, or of version 2 where it is empty; the root where nothing is told."""
        for line in read_text(self.membership).splitlines():
            _, _, told = line.partition(":")
            controllers, _, group = told.partition(":")
            if controller in controllers.split(","):
                return PurePosixPath("/") / group
        return PurePosixPath("/")

    @staticmethod
    def _upwards(root: Path, group: PurePosixPath) -> Iterator[Path]:
        """The folders of a group and of those above it.

        A container may show its own group as the root and name it as outside, so some of them need not be there; and
        names that lead out of what is mounted are of groups that nobody in here can read.
        """
        if ".." not in group.parts:
            yield from (root / each.relative_to("/") for each in (group, *group.parents) if each.parts != ("/",))
        yield root


def read_number(path: Path) -> int | None:
    """A whole number that a file holds; None where it says something else, such as `max`, or is not there."""
    text = read_text(path)
    return int(text) if text.lstrip("-").isdigit() else None


def read_text(path: Path) -> str:
    """What a file holds; empty where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape").strip()  # names of groups are any bytes
    except OSError:
        return ""  # not Linux, or no such limit
