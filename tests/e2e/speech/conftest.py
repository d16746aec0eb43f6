"""A server with models that hear and speak, and the clients that most people have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from tests.conftest import LiveServer
from tests.e2e.speech.models import EARS, ENGLISH, FOX, LETTERS, TOLD, TWO_LANGUAGES, VOICE
from tests.whisper_tiny import clip, write_whisper_tiny

from panope_backends.testing.audio.fairseq import tiny_seamless
from panope_backends.testing.audio.labels import tiny_audio_classifier
from panope_backends.testing.audio.speaking import tiny_vits
from panope_backends.testing.audio.speech import tiny_ctc, tiny_whisper
from panope_client import Client
from panope_registry.session import RegistrySession

_WRITERS: dict[str, Callable[[Path], object]] = {
    ENGLISH: write_whisper_tiny,
    TWO_LANGUAGES: tiny_whisper,
    LETTERS: tiny_ctc,
    TOLD: tiny_seamless,
    EARS: lambda folder: tiny_audio_classifier(folder, "wav2vec2"),
    VOICE: tiny_vits,
}


@pytest.fixture(scope="session")
def fox() -> bytes:
    return clip(FOX)


@pytest.fixture(scope="package")
def model_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folder of each model, as it was imported."""
    folders = {name: tmp_path_factory.mktemp(name.partition("/")[2]) for name in _WRITERS}
    for name, folder in folders.items():
        _WRITERS[name](folder)
    return folders


@pytest.fixture(scope="package")
def server(
    make_servers: Any, model_folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    place = tmp_path_factory.mktemp("speech")
    home = place / "home"
    session = RegistrySession.open(home / "registry.sqlite3", home)
    for name, folder in model_folders.items():
        session.registry.import_folder(folder, name)
    session.close()
    servers = make_servers(place, place)
    try:
        started = servers.start(home=home, demo=False)
        with Client(started.grpc_address, timeout=300) as client:
            for name in model_folders:
                client.load(name, backend="cpu", precision="fp32")
        yield started
    finally:
        servers.stop()


@pytest.fixture(scope="package")
def client(server: LiveServer) -> Iterator[Client]:
    with Client(server.grpc_address, timeout=120) as made:
        yield made


@pytest.fixture(scope="package")
def openai_client(server: LiveServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.http_url}/v1", api_key="none", max_retries=0, timeout=120) as made:
        yield made
