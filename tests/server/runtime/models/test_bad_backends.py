"""Backends that are wrong in every way that a third party's may be: the server stays up and says which, and what."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from panope_backends.errors import PanopeError
from panope_server.runtime.status import ModelState

BACKENDS = """
import os
import signal
import time
from pathlib import Path
import numpy as np
from panope_backends.api import TensorSpec
from panope_backends.testing import EchoBackend
from panope_backends.testing.doubles import EchoModel


class Raises(EchoBackend):
    def load(self, model, folder, device, options):
        raise RuntimeError("a secret of the engine, in /a/path")


class Lies(EchoBackend):
    def load(self, model, folder, device, options):
        return {"a model": "it is not"}


class Old(EchoBackend):
    api_version = 0


class HangsInLoad(EchoBackend):
    def load(self, model, folder, device, options):
        time.sleep(600)


class Eats(EchoBackend):
    def load(self, model, folder, device, options):
        self.eaten = bytearray(1 << 40)


class KilledOnce(EchoBackend):
    kills = 1

    def load(self, model, folder, device, options):
        deaths = Path(__file__).with_name("deaths")
        count = len(deaths.read_text()) if deaths.exists() else 0
        if count < self.kills:
            deaths.write_text("x" * (count + 1))
            os.kill(os.getpid(), signal.SIGKILL)
        return super().load(model, folder, device, options)


class AlwaysKilled(KilledOnce):
    kills = 1000


class Short(EchoBackend):
    class model(EchoModel):
        def run(self, arrays, outputs=()):
            answer = super().run(arrays, outputs)
            return {name: array[1:] for name, array in answer.items()}


class LaterShort(EchoBackend):
    class model(EchoModel):
        def run(self, arrays, outputs=()):
            answer = super().run(arrays, outputs)
            wrong = (arrays["input_ids"] == 5823).any()  # BERT's "crash"
            return {name: array[1:] if wrong else array for name, array in answer.items()}
"""


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The backends, where workers find them."""
    (tmp_path / "bad_backends.py").write_text(BACKENDS)
    (tmp_path / "broken_backends.py").write_text("raise RuntimeError('a secret of the module')\n")
    (tmp_path / "needy_backends.py").write_text("import package_that_is_missing\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)


#: The class, and what is said of it.
REASONS = [
    ("Raises", "failed to load `acme/echo`: RuntimeError; the log has more"),
    ("Lies", "loads for `acme/echo` is no model, but a `dict`"),
    ("Old", "was written for version 0 of the backend contract"),
    ("HangsInLoad", "did not load the model within 10 seconds"),
    ("Eats", "needs more memory to load `acme/echo` than its worker may have"),
    ("Short", "gives `last_hidden_state` as [0, 8, 8], and its model says [any, any, 8]"),
]


@pytest.mark.parametrize(("name", "reason"), REASONS)
async def test_it_is_named_with_what_is_wrong_and_the_next_way_is_taken(rig, name: str, reason: str) -> None:
    made = rig(f"bad_backends:{name}", then="EchoBackend", memory_limit_bytes=3 << 30, start_timeout_seconds=10.0)
    assert (await made.embed("one")).count == 1
    (error,) = made.failed
    assert f"`bad_backends:{name}` {reason}" in error.message
    assert "secret" not in error.message
    assert ModelState.FAILED not in made.states


@pytest.mark.parametrize(
    ("backend", "reason"),
    [
        ("broken_backends:X", "the backend `broken_backends:X` failed to load `acme/echo`: RuntimeError"),
        ("needy_backends:X", "the backend `needy_backends:X` needs a package that is not installed"),
        ("nowhere:X", "there is no module `nowhere`"),
    ],
)
async def test_a_module_that_cannot_be_imported_is_named(rig, backend: str, reason: str) -> None:
    made = rig(backend)
    with pytest.raises(PanopeError) as refused:
        await made.embed("one")
    assert reason in refused.value.message
    assert "secret" not in refused.value.message


async def test_one_that_answers_wrongly_later_fails_that_call_and_no_other(rig) -> None:
    made = rig("bad_backends:LaterShort")
    assert (await made.embed("one")).count == 1
    with pytest.raises(PanopeError, match="the backend `bad_backends:LaterShort` gives `last_hidden_state` as"):
        await made.embed("crash")
    assert (await made.embed("two")).count == 1


async def test_one_that_was_killed_once_while_it_loaded_is_taken_all_the_same(rig, tmp_path: Path) -> None:
    made = rig("bad_backends:KilledOnce", then="EchoBackend")
    assert (await made.embed("one")).count == 1
    assert (tmp_path / "deaths").read_text() == "x"
    assert made.failed == []
    assert {view.backend for view in made.runtime.instance_views()} == {"bad_backends:KilledOnce"}


async def test_one_that_is_killed_each_time_gives_place_to_the_next(rig, tmp_path: Path) -> None:
    made = rig("bad_backends:AlwaysKilled", then="EchoBackend")
    assert (await made.embed("one")).count == 1
    assert (tmp_path / "deaths").read_text() == "xx"
    (error,) = made.failed
    assert "`bad_backends:AlwaysKilled` was killed by signal 9, by a person or for lack of memory" in error.message
    assert ModelState.FAILED not in made.states
