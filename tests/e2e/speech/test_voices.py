"""Piper's and Kokoro's trained voices behind a real server: Whisper hears what they were told to say."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from tests.conftest import LiveServer
from tests.e2e.speech.models import LOAD_SECONDS
from tests.sounds import words
from tests.voices import HELLO, write_kokoro, write_piper
from tests.whisper_tiny import write_whisper_tiny

from command_line import panope
from panope_client import Client, InvalidInputError, UnavailableError
from panope_registry.session import RegistrySession

# 200 MB of weights out of packages.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PIPER, KOKORO, LISTENER = "acme/joe", "acme/kokoro", "acme/listener"
TEXT, IPA = HELLO


@pytest.fixture(scope="module")
def server(make_servers: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    place = tmp_path_factory.mktemp("voices")
    home = place / "home"
    session = RegistrySession.open(home / "registry.sqlite3", home)
    for name, write in ((PIPER, write_piper), (KOKORO, write_kokoro), (LISTENER, write_whisper_tiny)):
        folder = place / name.partition("/")[2]
        folder.mkdir()
        write(folder)
        session.registry.import_folder(folder, name)
    session.close()
    servers = make_servers(place, place)
    try:
        started = servers.start(home=home, demo=False)
        with Client(started.grpc_address, timeout=300) as client:
            for name in (PIPER, KOKORO, LISTENER):
                client.load(name)
        yield started
    finally:
        servers.stop()


@pytest.fixture(scope="module")
def client(server: LiveServer) -> Iterator[Client]:
    with Client(server.grpc_address, timeout=300) as made:
        yield made


def heard(client: Client, audio: bytes) -> list[str]:
    return words(client.transcribe(audio, LISTENER, vad=False).text)


@pytest.mark.parametrize(("model", "rate"), [(PIPER, 22_050), (KOKORO, 24_000)])
def test_phonemes_are_spoken_so_that_they_are_understood(client: Client, model: str, rate: int) -> None:
    said = client.speak(IPA, model, input_format="ipa")
    assert said.sample_rate == rate
    assert 0.5 < said.duration_seconds < 2.5
    assert heard(client, said.audio.content) == words(TEXT)
    slow = client.speak(IPA, model, input_format="ipa", speed=0.6)
    assert slow.duration_seconds > 1.2 * said.duration_seconds


@pytest.mark.parametrize("model", [PIPER, KOKORO])
def test_texts_are_spoken_where_espeak_is_installed(client: Client, model: str) -> None:
    if shutil.which("espeak-ng") is None:
        with pytest.raises(InvalidInputError, match="espeak-ng"):
            client.speak(TEXT, model)
        pytest.skip("the program espeak-ng is not installed")
    assert heard(client, client.speak(TEXT, model).audio.content) == words(TEXT)


def test_every_way_in_takes_phonemes(
    server: LiveServer, client: Client, openai_client: openai.OpenAI, tmp_path: Path
) -> None:
    create = openai_client.audio.speech.create
    told = create(model=KOKORO, voice="jf_nezumi", input=IPA, extra_body={"input_format": "ipa"})
    assert heard(client, told.content) == words(TEXT)
    with pytest.raises(openai.BadRequestError, match="jf_alpha, jf_gongitsune") as caught:
        create(model=KOKORO, voice="alloy", input=IPA, extra_body={"input_format": "ipa"})
    assert caught.value.param == "voice"
    reply = server.post(f"/v1/text-to-speech/{PIPER}", {"inputs": IPA, "parameters": {"input_format": "ipa"}})
    assert heard(client, reply.body) == words(TEXT)
    file = tmp_path / "hello.mp3"
    panope("speak", PIPER, IPA, "--ipa", "--out", file, "--address", server.grpc_address)
    assert heard(client, file.read_bytes()) == words(TEXT)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"inputs": "привет", "parameters": {"input_format": "ipa"}}, "inputs"),
        ({"inputs": IPA, "parameters": {"input_format": "ipa", "seed": 1}}, "parameters.seed"),
        ({"inputs": IPA, "parameters": {"input_format": "sampa"}}, "parameters.input_format"),
        ({"inputs": IPA, "parameters": {"input_format": "ipa", "voice": "1"}}, "parameters.voice"),
        ({"inputs": "h" * 4097, "parameters": {"input_format": "ipa"}}, "inputs"),
        ({"inputs": "\u0301\u200d\u0000", "parameters": {"input_format": "ipa"}}, "inputs"),
    ],
    ids=["no phonemes", "seed", "format", "voice", "too long", "marks alone"],
)
def test_what_cannot_be_spoken_is_refused_by_name(server: LiveServer, body: dict[str, Any], param: str) -> None:
    reply = server.post(f"/v1/text-to-speech/{PIPER}", body)
    assert reply.status == 400
    assert reply.error["param"] == param


def test_a_text_without_a_pause_is_spoken_in_pieces(client: Client) -> None:
    pieces = list(client.stream_speak("həlˈoʊ" * 200, PIPER, input_format="ipa", format="pcm"))
    assert len([each for each in pieces if each.duration_seconds]) == 3
    assert sum(each.duration_seconds for each in pieces) > 20


def test_a_lost_worker_fails_its_stream_at_once_and_comes_back(server: LiveServer, client: Client) -> None:
    stream = iter(client.stream_speak(f"{IPA} " * 100, PIPER, input_format="ipa", format="pcm"))
    assert next(stream).audio  # it speaks
    for worker in server.workers():
        worker.kill()
    with pytest.raises(UnavailableError):
        list(stream)
    server.wait_ready(LOAD_SECONDS)
    assert heard(client, client.speak(IPA, PIPER, input_format="ipa").audio.content) == words(TEXT)
