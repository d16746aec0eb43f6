"""A seeded VITS speaks in every format, and alike every way in."""

from __future__ import annotations

from pathlib import Path

import openai
import pytest
from huggingface_hub import InferenceClient
from tests.conftest import LiveServer
from tests.e2e.speech.models import VOICE
from tests.sounds import RATE

from command_line import panope
from panope_backends.media.audio import decode_audio
from panope_backends.media.limits import MediaLimits
from panope_client import Client

# Workers with PyTorch, weights out of a package, and the library that they are compared with.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

TEXT = "Good morning. It rains!"


def test_openai_s_client_speaks_every_format(openai_client: openai.OpenAI, client: Client) -> None:
    seconds = client.speak(TEXT, VOICE, seed=1).duration_seconds
    for kind in ("mp3", "opus", "aac", "flac", "wav", "pcm"):
        answer = openai_client.audio.speech.create(
            model=VOICE, voice="default", input=TEXT, response_format=kind, extra_body={"seed": 1}
        )
        if kind == "pcm":
            assert len(answer.content) / 2 / 24_000 == pytest.approx(seconds, abs=0.1)
        else:
            heard = decode_audio(answer.content, RATE, MediaLimits())
            assert heard.size / RATE == pytest.approx(seconds, abs=0.15)
    with pytest.raises(openai.BadRequestError, match="none of the model's: default"):
        openai_client.audio.speech.create(model=VOICE, voice="alloy", input=TEXT)


def test_every_way_in_speaks_alike(server: LiveServer, client: Client, tmp_path: Path) -> None:
    whole = client.speak(TEXT, VOICE, format="flac", seed=2)
    over_http = InferenceClient(f"{server.http_url}/v1/text-to-speech/{VOICE}")
    assert decode_audio(over_http.text_to_speech(TEXT), RATE, MediaLimits()).size
    body = {"inputs": TEXT, "parameters": {"seed": 2}}
    assert server.post(f"/v1/text-to-speech/{VOICE}", body).body == whole.audio.content
    pieces = list(client.stream_speak(TEXT, VOICE, format="pcm", seed=2))
    assert len(pieces) == 2, "each sentence is told when it is spoken"
    assert sum(each.duration_seconds for each in pieces) == pytest.approx(whole.duration_seconds)
    file = tmp_path / "spoken.flac"
    panope("speak", VOICE, TEXT, "--out", file, "--seed", "2", "--address", server.grpc_address)
    assert file.read_bytes() == whole.audio.content
