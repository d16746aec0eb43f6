"""Programs that answer one request at a time about what comes from strangers."""

from __future__ import annotations

from pathlib import Path

import pytest

from panope_backends.isolation.limited_process import LimitedProcess
from panope_backends.isolation.no_network import missing_reason

PROGRAM = """
import socket
from panope_backends.programs.limited import serve

def answer(request):
    try:
        socket.socket().close()
    except OSError:
        return request + b" without network"
    return request + b" with network"

serve(answer)
"""


@pytest.mark.skipif(bool(missing_reason()), reason="this system has no filter of calls")
def test_such_a_program_answers_and_has_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "asked.py").write_text(PROGRAM)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    process = LimitedProcess("asked", 1 << 30)
    process.start()
    try:
        assert [process.ask(each, 5.0) for each in (b"one", b"two")] == [b"one without network", b"two without network"]
    finally:
        process.close()
