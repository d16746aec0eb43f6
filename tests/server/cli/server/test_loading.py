"""What a command says while its model is made ready, and how long it waits."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SERVER = Path(__file__).parent / "loading_server.py"


def test_a_call_waits_as_long_as_a_load_may_take_and_says_what_for() -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, str(SERVER)], text=True, stdin=pipe, stdout=pipe) as server:
        try:
            assert server.stdout is not None
            assert server.stdin is not None
            address = f"127.0.0.1:{int(server.stdout.readline())}"
            command = [sys.executable, "-m", "panope_server", "embed", "acme/m", "a", "--address", address, "--json"]
            with subprocess.Popen(command, text=True, stdout=pipe, stderr=pipe) as embed:
                assert 500 < float(server.stdout.readline()) <= 600
                assert embed.stderr is not None
                assert embed.stderr.readline() == "panope: acme/m: converted for a backend\n"
                server.stdin.write("go on\n")
                server.stdin.flush()
                printed, _ = embed.communicate(timeout=60)
        finally:
            server.kill()
    assert embed.returncode == 0
    assert '"embedding' in printed
