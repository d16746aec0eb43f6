"""Fills a small disk that holds a home with a model, and tries what makes room: `full_disk_program.py DISK`.

Prints, for each step, what it said.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
from safetensors.numpy import save
from typer.testing import CliRunner

from panope_server.cli.main import app

SECONDS = 120


def main() -> None:
    disk = Path(sys.argv[1])
    home = disk / "home"
    os.environ |= {"TMPDIR": str(disk), "PANOPE_HUB_MIN_FREE_BYTES": "0", "PANOPE_JOBS_CONCURRENCY": "0"}
    folder = disk / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"architectures": ["BertModel"], "model_type": "bert", "hidden_size": 8}')
    (folder / "model.safetensors").write_bytes(save({"weight": np.ones(1 << 20, np.float32)}))
    panope(home, "import", str(folder), "--name", "acme/large")
    shutil.rmtree(folder)
    panope(home, "ls")  # keeps the reserve, should the import have needed it
    fill(disk)
    served(home)
    for command in (("ls",), ("du",), ("gc",), ("rm", "acme/large")):
        panope(home, *command)
    say("free", shutil.disk_usage(disk).free)


def fill(disk: Path) -> None:
    """To the last byte."""
    with (disk / "ballast").open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
        while True:
            ballast.write(bytes(4096))
    say("left", shutil.disk_usage(disk).free)


def panope(home: Path, *arguments: str) -> None:
    done = CliRunner().invoke(app, [*arguments, "--home", str(home)])
    say(arguments[0], done.exit_code, done.output.replace("\n", " "))


def served(home: Path) -> None:
    """Starts a server, and tells what it answers and how it ends."""
    ports = [free_port() for _ in range(3)]
    flags = [part for name, port in zip(("http", "grpc", "admin"), ports, strict=True)
             for part in (f"--{name}-port", str(port))]  # fmt: skip
    command = [sys.executable, "-m", "panope_server", "serve", "--no-envoy", "--home", str(home), *flags]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    status = 0
    until = time.monotonic() + SECONDS
    while not status and process.poll() is None and time.monotonic() < until:
        with contextlib.suppress(urllib.error.URLError):
            status = urllib.request.urlopen(f"http://127.0.0.1:{ports[2]}/ready").status
    process.send_signal(signal.SIGTERM)
    say("serve", status, process.wait(SECONDS))


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def say(*words: object) -> None:
    print(*words, flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
