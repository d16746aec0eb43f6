"""The clients that most people have, of the server with the seeded decoder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from huggingface_hub import InferenceClient

import smollm2
from panope_registry.session import RegistrySession

#: The first of these tests waits for a conversion, beside others that convert.
FIRST_SECONDS = 400


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Gives the tests of this folder that time."""
    for item in items:
        if "seeded_server" in getattr(item, "fixturenames", ()) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(FIRST_SECONDS))


@pytest.fixture(scope="session")
def client(seeded_server: Any) -> Iterator[openai.OpenAI]:
    """OpenAI's own client, which tries nothing twice."""
    with openai.OpenAI(base_url=f"{seeded_server.http_url}/v1", api_key="unused", max_retries=0) as made:
        yield made


@pytest.fixture(scope="session")
def hugging_face(seeded_server: Any) -> InferenceClient:
    """Hugging Face's own client."""
    return InferenceClient(base_url=seeded_server.http_url)


@pytest.fixture(scope="session")
def smollm2_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SmolLM2's trained weights as safetensors; skips where their package is missing."""
    folder = tmp_path_factory.mktemp("smollm2")
    try:
        smollm2.write_smollm2(folder)
    except OSError as error:
        pytest.skip(str(error))
    return folder


@pytest.fixture(scope="session")
def smollm2_server(smollm2_folder: Path, tmp_path_factory: pytest.TempPathFactory, make_servers: Any) -> Iterator[Any]:
    """A server with them, by OpenVINO in float32."""
    folder = tmp_path_factory.mktemp("smollm2-server")
    home = folder / "home"
    with contextlib.closing(RegistrySession.open(home / "registry.sqlite3", home)) as session:
        session.registry.import_folder(smollm2_folder, smollm2.NAME)
    servers = make_servers(folder, folder)
    try:
        exact = {"PANOPE_PRECISION": "fp32", "PANOPE_GENERATION_CACHE_PRECISION": "fp32"}
        server = servers.start("--load", smollm2.NAME, home=home, demo=False, ready=False, **exact)
        server.wait_ready(600)  # a conversion of 135 million weights and its proof
        yield server
    finally:
        servers.stop()
