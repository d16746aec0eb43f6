"""Go's own tools."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Go:
    """The Go toolchain, run in the Go client's folder."""

    program: str
    folder: Path

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs `go`, without the Panope variables of this environment but with those given."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PANOPE_")}
        return subprocess.run(
            [self.program, *arguments],
            cwd=self.folder,
            env={**environment, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
