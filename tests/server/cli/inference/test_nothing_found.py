"""What commands print of images and audio: whole pixels, and a word where there is nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from panope.v1 import detect_service_pb2 as detect_pb
from panope.v1 import segment_service_pb2 as segment_pb
from panope.v1 import speech_service_pb2 as speech_pb
from panope_server.cli.main import app
from panope_server.tasks.vision.detect import Box, Detection
from panope_server.transport.rest.detection.servicer import _detection

BOX = (13.9, 52.4, 314.5, 470.999)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The server's answers, by the call."""
    told: dict[str, Any] = {
        "detect": detect_pb.DetectResponse(images=[detect_pb.ImageDetections(width=9, height=9)]),
        "segment": segment_pb.SegmentResponse(images=[segment_pb.ImageSegments(width=9, height=9)]),
        "transcribe": speech_pb.TranscribeResponse(),
    }

    class Client:
        def __init__(self, *_: object, **__: object) -> None:
            pass

        def __enter__(self) -> Client:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def __getattr__(self, name: str) -> Any:
            return lambda *_, **__: told[name]

    monkeypatch.setattr("panope_client.Client", Client)
    return told


def run(tmp_path: Path, command: str, *options: str) -> tuple[str, str]:
    """What the command prints, and what it says beside it."""
    file = tmp_path / "file"
    file.write_bytes(b"a")
    done = CliRunner().invoke(app, [command, "acme/a", str(file), *options, "--address", "localhost:1"])
    assert done.exit_code == 0, done.output
    return done.stdout, " ".join(done.stderr.split())


@pytest.mark.usefixtures("answers")
@pytest.mark.parametrize(
    ("command", "options", "said"),
    [
        ("detect", (), "panope: nothing was found; a lower --threshold tells of what the model is less sure of"),
        ("segment", (), "panope: no segment was found; a lower --threshold tells of those"),
        ("transcribe", (), "panope: no words were heard; --no-vad transcribes silence and singing too"),
        ("transcribe", ("--no-vad",), "panope: no words were heard"),
    ],
)
def test_nothing_is_said_to_be_nothing(tmp_path: Path, command: str, options: tuple[str, ...], said: str) -> None:
    printed, beside = run(tmp_path, command, *options)
    assert printed == ""
    assert beside.startswith(said)
    assert ("--no-vad" in beside) == ("--no-vad" in said)


@pytest.mark.usefixtures("answers")
def test_programs_hear_nothing_beside_json_and_subtitles_keep_their_form(tmp_path: Path) -> None:
    assert run(tmp_path, "detect", "--json")[1] == ""
    assert run(tmp_path, "transcribe", "--format", "vtt")[0] == "WEBVTT\n"


def test_the_edges_of_boxes_are_cut_to_pixels_alike_over_rest_and_in_the_terminal(
    tmp_path: Path, answers: dict[str, Any]
) -> None:
    edges = dict(zip(("x_min", "y_min", "x_max", "y_max"), BOX, strict=True))
    found = detect_pb.Detection(label="cat", score=0.5, box=edges)
    answers["detect"] = detect_pb.DetectResponse(images=[detect_pb.ImageDetections(detections=[found])])
    assert run(tmp_path, "detect") == ("0.5000  cat  [13, 52, 314, 470]\n", "")
    assert list(_detection(Detection("cat", 0.5, Box(*BOX)))["box"].values()) == [13, 52, 314, 470]
