"""A server that answers with whatever bytes a test gives it, and models that run there."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from panope_backends.api import LoadedModel, LoadOptions, ModelFacts
from panope_backends.engines.remote.backend import DEVICE, RemoteBackend
from panope_backends.upstreams.description import FILE, FORMAT, checked_upstream

sys.path.insert(0, str(Path(__file__).resolve().parent))  # for `remote_doubles`

from remote_doubles import ACCESS

from scripted_server import Script


@pytest.fixture
def script() -> Iterator[Script]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Script(listener.getsockname()[1])
        threading.Thread(target=made.serve, args=(listener,), daemon=True).start()
        yield made
        listener.shutdown(socket.SHUT_RDWR)


Load = Callable[..., Any]


@pytest.fixture
def load(script: Script, tmp_path: Path) -> Iterator[Load]:
    """Loads a model that the scripted server runs."""
    made: list[LoadedModel] = []

    def load(protocol: str = "openai", task: str = "", *, base: str = "", **access: Any) -> LoadedModel:
        model = "" if protocol in ("tgi", "tei") else "m"
        upstream = checked_upstream(base or f"http://127.0.0.1:{script.port}", protocol, model, task)
        (tmp_path / FILE).write_bytes(upstream.to_json())
        settings = LoadOptions(backend_settings=msgspec.structs.replace(ACCESS, **access).to_bytes())
        facts = ModelFacts("acme/far", FORMAT, upstream.task)
        made.append(RemoteBackend().load(facts, tmp_path, DEVICE, settings))
        return made[-1]

    yield load
    for each in made:
        each.close()
