"""Downloads a file and may die at a chosen step: `download_program.py ENDPOINT PATH`.

Reads orders on stdin, `STEP FOLDER`, one a line. For each it forks a process that downloads the file of the repo `v/m`
into the store at FOLDER and kills itself, as `kill -9` does, at that step; step 0 never comes. Prints `killed` or the
blob's sha256. Steps are calls that change a disk.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from panope_registry.download import Downloader, ExpectedBlob
from panope_registry.sources.hub import HubSource
from panope_registry.store.store import Store

DISK_CALLS = ("open", "pwrite", "ftruncate", "fsync", "fchmod", "chmod", "mkdir", "rename", "replace", "link", "unlink")


class Steps:
    """Counts steps and ends the process at the last."""

    def __init__(self, last: int) -> None:
        self._left = last

    def before(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **more: Any) -> Any:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **more)

        return counted


def run(last_step: int, folder: Path, endpoint: str, path: str) -> None:
    source = HubSource(endpoint)
    revision = source.resolve("v/m")
    (file,) = [file for file in revision.files if file.path == path]
    steps = Steps(last_step)
    for name in DISK_CALLS:
        setattr(os, name, steps.before(getattr(os, name)))
    downloader = Downloader(Store(folder), free_space_floor_bytes=0)
    wanted = ExpectedBlob(file.sha256, file.git_sha1, file.size_bytes)
    blob = downloader.fetch(wanted, lambda start: source.open(revision, path, start))
    print(blob.sha256, flush=True)  # noqa: T201 - the answer


def main() -> None:
    endpoint, path = sys.argv[1:]
    print("ready", flush=True)  # noqa: T201 - lets several begin together
    for line in sys.stdin:
        step, folder = line.split()
        child = os.fork()
        if child == 0:
            run(int(step), Path(folder), endpoint, path)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            print("killed", flush=True)  # noqa: T201 - the answer
        elif os.waitstatus_to_exitcode(status) != 0:
            sys.exit("the download failed by itself")


if __name__ == "__main__":
    main()
