"""The hub's stand-in in a process of its own, so that its work is not measured.

    python -m benchmarks.registry.hub_process folder FOLDER   # a folder as the repo `bench/files`
    python -m benchmarks.registry.hub_process models COUNT    # so many small repos

Prints its address; ends when its input does.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.registry.model_repos import repos
from panope_registry.testing import HubStandIn

REPO = "bench/files"


@contextmanager
def hub_of_folder(folder: Path) -> Iterator[str]:
    """Serves a folder as the repo `bench/files` while the block lasts; yields the hub's address."""
    with _process("folder", str(folder)) as address:
        yield address


@contextmanager
def hub_of_models(count: int) -> Iterator[str]:
    """Serves so many repos while the block lasts; yields the hub's address."""
    with _process("models", str(count)) as address:
        yield address


@contextmanager
def _process(*arguments: str) -> Iterator[str]:
    command = [sys.executable, "-m", __spec__.name, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


def main() -> None:
    kind, argument = sys.argv[1:]
    with HubStandIn() as hub:
        if kind == "folder":
            hub.add(REPO, Path(argument))
        else:
            for name, files in repos(int(argument)):
                hub.add(name, files)
        print(hub.endpoint, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
