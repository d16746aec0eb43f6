"""The small backends misbehave as they promise, and only then."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panope_backends.api import LoadOptions, ModelFacts, TensorModel
from panope_backends.plugins import load_backend


def load(name: str, **config: Any) -> TensorModel:
    backend = load_backend(f"panope_backends.testing:{name}")
    return backend.load(ModelFacts("a/b", "safetensors", config=config), Path(), "CPU", LoadOptions())


def ids(*tokens: int) -> dict[str, np.ndarray[Any, Any]]:
    array = np.array([tokens])
    return {"input_ids": array, "attention_mask": np.ones_like(array)}


def test_echo_depends_on_the_token_alone() -> None:
    model = load("EchoBackend", hidden_size=4)
    alone, together = (model.run(ids(*tokens))["last_hidden_state"] for tokens in ((7,), (3, 7)))
    np.testing.assert_array_equal(alone[0, 0], together[0, 1])
    np.testing.assert_allclose(alone[0, 0], np.sin([7, 14, 21, 28]), rtol=1e-5)


def test_slow_waits_for_its_file(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    model = load("SlowBackend", slow_until=str(gate))
    answered = threading.Event()
    thread = threading.Thread(target=lambda: (model.run(ids(1)), answered.set()))
    thread.start()
    assert not answered.wait(0.05)
    gate.touch()
    assert answered.wait(10)
    thread.join()


@pytest.mark.parametrize("name", ["CrashBackend", "HangBackend"])
def test_other_tokens_are_answered(name: str) -> None:
    assert load(name, crash_token_id=9, hang_token_id=9).run(ids(1, 2, 3))


def test_crash_kills_its_process() -> None:
    program = """
import numpy as np
from pathlib import Path
from panope_backends.api import LoadOptions, ModelFacts
from panope_backends.testing import CrashBackend
model = CrashBackend().load(ModelFacts("a/b", "echo", config={"crash_token_id": 9}), Path(), "CPU", LoadOptions())
model.run({"input_ids": np.array([[1, 9]]), "attention_mask": np.ones((1, 2))})
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGKILL


def test_hang_does_not_answer() -> None:
    model = load("HangBackend", hang_token_id=9)
    answered = threading.Event()
    threading.Thread(target=lambda: (model.run(ids(9)), answered.set()), daemon=True).start()
    assert not answered.wait(0.05)


def test_they_need_no_pytest() -> None:
    program = "import sys, panope_backends.testing; assert 'pytest' not in sys.modules and 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", program], check=False, env=dict(os.environ)).returncode == 0
