"""Speech found, and transcribed while it is spoken, by trained Whisper and Silero behind a real server."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import LiveServer
from tests.e2e.speech.models import ENGLISH, FOX, HELLO, LOAD_SECONDS
from tests.sounds import RATE, pcm, samples_of, silence, wav, words
from tests.whisper_tiny import CLIPS, clip

from panope.v1.speech_service_pb2 import VadOptions
from panope_client import Client, InvalidInputError, PreconditionError, UnavailableError

# Weights out of a package, and audio as long as it is spoken.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def pieces(data: bytes, seconds: float = 0.2) -> Iterator[bytes]:
    """As fast as they are taken."""
    size = round(seconds * RATE) * 2
    yield from (data[begin : begin + size] for begin in range(0, len(data), size))


def test_speech_is_found_as_by_silero_itself(server: LiveServer, client: Client, tmp_path: Path) -> None:
    audio = wav(silence(1), samples_of(clip(FOX)), silence(1))
    (found,) = client.detect_speech(audio, ENGLISH).segments
    assert (found.start_seconds, found.end_seconds) == pytest.approx((1.06, 3.62), abs=0.011)
    file = tmp_path / "fox.wav"
    file.write_bytes(audio)
    curl = [
        "curl",
        "-sS",
        f"{server.http_url}/v1/audio/voice-activity",
        "-F",
        f"file=@{file}",
        "-F",
        f"model={ENGLISH}",
    ]
    told = json.loads(subprocess.run(curl, check=True, capture_output=True).stdout)
    assert told["model"] == ENGLISH
    assert told["duration"] == pytest.approx(2 + samples_of(clip(FOX)).size / RATE, abs=0.01)
    assert told["segments"] == [{"start": round(found.start_seconds, 3), "end": round(found.end_seconds, 3)}]
    panope = [sys.executable, "-m", "panope_server", "detect-speech", ENGLISH, str(file), "--address"]
    run = subprocess.run([*panope, server.grpc_address], check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert [float(each) for each in run.stdout.split()] == pytest.approx([1.06, 3.62], abs=0.011)
    assert not client.detect_speech(wav(silence(3)), ENGLISH).segments


@pytest.mark.parametrize(
    ("options", "field"),
    [({"threshold": 1.5}, "vad_options.threshold"), ({"padding_seconds": 11.0}, "vad_options.padding_seconds")],
)
def test_wrong_options_of_detection_are_refused_by_name(client: Client, options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        client.detect_speech(wav(silence(1)), ENGLISH, **options)
    assert caught.value.field == field


def test_speech_is_found_while_it_is_spoken_as_in_a_file(server: LiveServer, client: Client) -> None:
    fox, hello = samples_of(clip(FOX)), samples_of(clip(HELLO))
    parts = [silence(1), fox, silence(1.5), hello, silence(1), hello]
    for how in ({}, {"threshold": 0.3, "padding_seconds": 0.2, "min_silence_seconds": 0.5}):
        right = client.detect_speech(wav(*parts), ENGLISH, **how).segments
        for address in (server.grpc_address, f"127.0.0.1:{server.http_port}"):
            with Client(address, timeout=120) as caller:
                found = list(caller.stream_detect_speech(pieces(pcm(*parts)), ENGLISH, **how))
            finals = [each.segment for each in found if each.is_final]
            assert [each.start_seconds for each in finals] == pytest.approx(
                [each.start_seconds for each in right], abs=0.04
            )
            assert [each.end_seconds for each in finals] == pytest.approx(
                [each.end_seconds for each in right], abs=0.04
            )


def test_a_command_tells_parts_and_that_there_are_none(server: LiveServer) -> None:
    panope = [sys.executable, "-m", "panope_server"]
    live = ["-", "--live", "--address", server.grpc_address]
    data = pcm(silence(0.5), samples_of(clip(HELLO)), silence(1))
    run = subprocess.run(
        [*panope, "detect-speech", ENGLISH, *live, "--json"], input=data, check=True, capture_output=True
    )
    (told,) = map(json.loads, run.stdout.splitlines())
    assert 0.4 < told["start"] < told["end"] < 2
    for command, said in (("detect-speech", "no speech was found"), ("transcribe", "no words were heard")):
        run = subprocess.run([*panope, command, ENGLISH, *live], input=pcm(silence(1)), check=True, capture_output=True)
        assert said in run.stderr.decode()
    run = subprocess.run([*panope, "transcribe", ENGLISH, *live], input=clip(HELLO), check=False, capture_output=True)
    assert run.returncode == 1
    assert "send raw PCM samples" in run.stderr.decode()


def test_speech_is_transcribed_while_it_is_spoken(client: Client) -> None:
    data = pcm(silence(1), samples_of(clip(FOX)), silence(1.5), samples_of(clip(HELLO)), silence(1))
    spoken = threading.Event()

    def as_spoken() -> Iterator[bytes]:
        for piece in pieces(data):
            yield piece
            time.sleep(0.05)  # four times as fast as it was spoken
        spoken.wait(60)  # the stream stays open until what was said is told

    found = []
    for each in client.live_transcribe(as_spoken(), ENGLISH, words=True, partial_interval_seconds=0.5):
        found.append(each)
        if each.is_final and each.utterance == 1:
            spoken.set()
    finals = [each for each in found if each.is_final]
    assert [words(each.text) for each in finals] == [words(CLIPS[FOX][1]), words(CLIPS[HELLO][1])]
    assert any(not each.is_final for each in found), "what goes on is told before it has ended"
    assert [each.utterance for each in finals] == [0, 1]
    first, second = finals
    assert first.start_seconds == pytest.approx(1.06, abs=0.15)
    assert second.start_seconds == pytest.approx(2.5 + samples_of(clip(FOX)).size / RATE, abs=0.4)
    told = [word for each in finals for segment in each.segments for word in segment.words]
    starts = [word.start_seconds for word in told]
    assert starts == sorted(starts)
    assert starts[-1] > second.start_seconds - 0.3


def test_a_stream_goes_both_ways_through_envoy(server: LiveServer) -> None:
    heard = threading.Event()

    def as_spoken() -> Iterator[bytes]:
        yield from pieces(pcm(silence(0.5), samples_of(clip(HELLO)), silence(1)))
        assert heard.wait(60), "what was said is told while the stream is open"

    with Client(f"127.0.0.1:{server.http_port}", timeout=120) as client:
        stream = client.live_transcribe(as_spoken(), ENGLISH, partial_interval_seconds=0.0)
        assert words(next(stream).text) == words(CLIPS[HELLO][1])
        heard.set()
        assert not list(stream)


def test_a_reader_that_is_slow_gets_everything(client: Client) -> None:
    once = [samples_of(clip(HELLO)), silence(1)]
    stream = client.live_transcribe(pieces(pcm(silence(0.5), *once * 8)), ENGLISH, partial_interval_seconds=0.0)
    found = []
    for each in stream:
        time.sleep(0.2)
        found.append(each.text)
    assert [words(text) for text in found] == [words(CLIPS[HELLO][1])] * 8


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"sample_rate": 4000}, "config.sample_rate"),
        ({"partial_interval_seconds": 0.01}, "config.partial_interval_seconds"),
        ({"language": "xx"}, "config.options.language"),
        ({"vad": False}, "config.options.vad"),
        ({"vad_options": VadOptions(padding_seconds=float("-inf"))}, "config.options.vad_options.padding_seconds"),
        ({"vad_options": VadOptions(min_silence_seconds=11)}, "config.options.vad_options.min_silence_seconds"),
        ({"translate": True}, "config.options.translate"),
    ],
)
def test_wrong_options_of_a_stream_are_refused_by_name(client: Client, options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        list(client.live_transcribe(pieces(pcm(silence(1))), ENGLISH, **options))
    assert caught.value.field == field


def test_pieces_that_are_too_large_are_refused(client: Client) -> None:
    with pytest.raises(InvalidInputError, match="1,048,576") as caught:
        list(client.live_transcribe([bytes((1 << 20) + 2)], ENGLISH))
    assert caught.value.field == "audio"


def test_a_caller_that_leaves_frees_the_model(client: Client) -> None:
    for _ in range(12):  # more than the model has slots
        stream = client.live_transcribe(pieces(pcm(silence(0.5), samples_of(clip(HELLO)), silence(1))), ENGLISH)
        next(stream)
        stream.close()
    assert words(client.transcribe(clip(HELLO), ENGLISH).text) == words(CLIPS[HELLO][1])


def test_the_command_transcribes_standard_input(server: LiveServer) -> None:
    panope = [sys.executable, "-m", "panope_server", "transcribe", ENGLISH, "-", "--live", "--address"]
    data = pcm(silence(0.5), samples_of(clip(HELLO)), silence(1), samples_of(clip(FOX)))
    run = subprocess.run([*panope, server.grpc_address], input=data, check=False, capture_output=True)
    assert run.returncode == 0, run.stderr
    assert [words(line) for line in run.stdout.decode().splitlines()] == [
        words(CLIPS[name][1]) for name in (HELLO, FOX)
    ]


def test_a_worker_that_is_lost_fails_its_streams(server: LiveServer, client: Client) -> None:
    lost = threading.Event()
    hello = samples_of(clip(HELLO))

    def audio() -> Iterator[bytes]:
        yield from pieces(pcm(silence(0.5), hello, silence(1)))
        lost.wait(60)
        yield from pieces(pcm(hello, silence(1)))

    said = client.live_transcribe(audio(), ENGLISH, partial_interval_seconds=0.0)
    assert words(next(said).text) == words(CLIPS[HELLO][1])
    found = client.stream_detect_speech(audio(), ENGLISH)
    assert 0.4 < next(found).segment.start_seconds < 1
    for worker in server.workers():
        worker.kill()
    lost.set()
    for stream in (said, found):
        with pytest.raises((UnavailableError, PreconditionError)):
            list(stream)
    server.wait_ready(LOAD_SECONDS)
    assert words(client.transcribe(clip(HELLO), ENGLISH).text) == words(CLIPS[HELLO][1])
