"""What a command says of a server that is not there, and of one that ends while it answers."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

SERVER = Path(__file__).parent / "hanging_server.py"


def generate(port: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "panope_server", "generate", "acme/m", "a", "--address", f"127.0.0.1:{port}"]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_a_server_that_ends_in_mid_answer_is_told_as_such(ending: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, str(SERVER)], text=True, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            command = generate(port)
            assert server.stdout.readline() == "called\n"
            assert command.stdout is not None
            assert command.stdout.read(2) == "a "
            server.send_signal(ending)
            out, err = command.communicate(timeout=60)
        finally:
            server.kill()
    assert command.returncode == 1, out + err
    assert f"the server at 127.0.0.1:{port} ended the call before its answer did" in err
    assert "no server answers" not in err


def test_a_server_that_is_not_there_is_told_as_such() -> None:
    command = generate(1)
    timer = threading.Timer(100, command.kill)
    timer.start()
    _, err = command.communicate()
    timer.cancel()
    assert "no server answers at 127.0.0.1:1" in err
