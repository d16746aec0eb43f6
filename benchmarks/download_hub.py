"""The hub's stand-in in a process of its own, so that its work is nobody's: `download_hub.py FOLDER`.

Prints its address; ends when its input does.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from panope_registry.testing import HubStandIn

REPO = "bench/files"


@contextmanager
def hub_process(folder: Path) -> Iterator[str]:
    """Serves a folder as the repo `bench/files` while the block lasts; yields the hub's address."""
    command = [sys.executable, __file__, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


def main() -> None:
    with HubStandIn() as hub:
        hub.add(REPO, Path(sys.argv[1]))
        print(hub.endpoint, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
