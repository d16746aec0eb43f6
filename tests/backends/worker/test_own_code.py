"""Models' own code in real workers: without network, its words in the log alone, its memory and its end bounded."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panope.worker.v1 import tensors_pb2
from panope.worker.v1 import worker_pb2 as wire
from panope_backends.testing.python_models import executing, triton_model

Start = Callable[..., tuple[Any, Any]]
Run = Callable[..., tuple[Any, Any]]

GIVE = "return [pb_utils.InferenceResponse([pb_utils.Tensor('doubled', x), pb_utils.Tensor('sum', np.array([[{}]]))])]"

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux denies a process the network")


@pytest.fixture
def run(start: Start, tmp_path: Path) -> Run:
    """Starts a worker on a model whose `execute` has a body, and asks it once: the worker and its answer."""

    def run(body: str, before: str = "", grants: tuple[str, ...] = ("remote_code",)) -> tuple[Any, Any]:
        folder = tmp_path / "code"
        triton_model(folder, executing(body.strip(), before=before))
        worker, first = start("python", task="", folder=str(folder), format="python", grants=grants)
        assert first.kind == "ready", first.failure
        x = np.ones((1, 1), "<f4")
        tensor = tensors_pb2.Tensor(name="x", dtype="float32", shape=x.shape, data=x.tobytes())
        return worker, worker.ask("tensors", tensors_pb2.TensorInput(inputs=[tensor]))

    return run


@linux
@pytest.mark.parametrize("grants", [("remote_code",), ("remote_code", "network")])
def test_it_has_the_network_by_a_grant_alone(run: Run, grants: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        body = f"""
        try:
            socket.create_connection(("127.0.0.1", {port})).close()
            reached = 1.0
        except PermissionError:
            reached = 0.0
        {GIVE.format("reached")}"""
        _, answer = run(body, "import socket", grants)
    (reached,) = np.frombuffer(answer.tensors.outputs[1].data, "<f8")
    assert reached == ("network" in grants)


def test_what_it_prints_and_why_it_fails_is_in_the_log_and_nowhere_else(
    run: Run, message_of: Callable[[wire.Failure], str]
) -> None:
    body = """
        print("printed by the model")
        pb_utils.Logger.log_warn("logged by the model")
        raise ValueError("told to the admin")"""
    worker, answer = run(body)
    assert message_of(answer.failure) == "the model's own code failed: ValueError; the server's log has more"
    log = worker.log()
    assert "printed by the model\n" in log
    assert "warning: logged by the model\n" in log
    assert "ValueError: told to the admin" in log
    assert "model.py" in log


def test_why_it_cannot_be_loaded_is_in_the_log(
    start: Start, tmp_path: Path, message_of: Callable[[wire.Failure], str]
) -> None:
    triton_model(tmp_path / "code", "raise ValueError('told to the admin')")
    worker, first = start("python", task="", folder=str(tmp_path / "code"), format="python", grants=["remote_code"])
    assert message_of(first.failure) == ("the model's own code cannot be loaded: ValueError; the server's log has more")
    assert worker.exit_code() == 1
    assert "ValueError: told to the admin" in worker.log()


def test_code_that_ends_its_process_ends_that_alone(run: Run) -> None:
    with pytest.raises(EOFError):
        run("import os; os._exit(7)")


@linux
def test_what_does_not_fit_its_memory_is_told_as_such(run: Run, message_of: Callable[[wire.Failure], str]) -> None:
    body = f"""
        import resource
        resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))
        np.ones(1 << 28)
        {GIVE.format("1.0")}"""
    _, answer = run(body)
    assert "needs more memory" in message_of(answer.failure)
