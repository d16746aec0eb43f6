"""The command line against the stand-in of the hub."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from command_line import Result, panope
from panope_registry.testing.hub import HubStandIn

MODEL = "acme/tiny"


@dataclass
class Cli:
    """Runs `panope` on a home of its own and the stand-in."""

    home: Path
    environment: dict[str, str]

    def start(self, *arguments: str, before: Sequence[str] = ()) -> subprocess.Popen[str]:
        """Starts a command, by another that becomes it if one is given."""
        command = [*before, sys.executable, "-m", "panope_server", *arguments, "--home", str(self.home)]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=self.environment, text=True, stdin=pipe, stdout=pipe, stderr=pipe)

    def __call__(self, *arguments: str, code: int = 0) -> Result:
        """Runs a command in this process."""
        return panope(*arguments, "--home", self.home, code=code, environment=self.environment)

    def program(self, *arguments: str, code: int = 0) -> Result:
        """Runs a command as a program of its own: where libraries read variables as they are imported."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=60)
        assert process.returncode == code, out + err
        assert "Traceback" not in err
        return Result(process.returncode, out, err)


def files_of(seed: int = 0, megabytes: int = 1) -> dict[str, bytes]:
    """A tiny model with weights of that size."""
    weights = np.random.default_rng(seed).standard_normal(megabytes << 18).astype(np.float32)
    config = {"architectures": ["BertModel"], "model_type": "bert", "hidden_size": 8}
    return {"config.json": json.dumps(config).encode(), "model.safetensors": save({"weight": weights})}


@pytest.fixture
def tiny() -> Callable[..., dict[str, bytes]]:
    return files_of


@pytest.fixture
def hub() -> Iterator[HubStandIn]:
    with HubStandIn() as stand_in:
        stand_in.add(MODEL, files_of())
        yield stand_in


@pytest.fixture
def cli(hub: HubStandIn, tmp_path: Path) -> Cli:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PANOPE_", "HF_"))}
    return Cli(tmp_path / "home", ours | {"PANOPE_HUB_ENDPOINT": hub.endpoint, "PANOPE_HUB_MIN_FREE_BYTES": "0"})
