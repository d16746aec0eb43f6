"""`panope classify`: how many labels are asked for where nobody says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from panope.v1 import classify_service_pb2 as pb
from panope.v1.model_pb2 import Model
from panope_server.cli.main import app


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """How many labels a server is asked for."""
    counts: list[Any] = []

    class Client:
        def __init__(self, *_: object, **__: object) -> None:
            pass

        def __enter__(self) -> Client:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def model(self, name: str) -> Model:
            return Model(name=name, task="classify")

        def _answer(self, items: list[Any], *_: object, top_k: Any = None, **__: object) -> Any:
            counts.append(top_k)
            return pb.ClassifyResponse(classifications=[pb.Classification() for _ in items])

        def classify_audio(self, *_: object, top_k: Any) -> Any:
            counts.append(top_k)
            return pb.ClassifyAudioResponse()

        def classify_video(self, *_: object, top_k: Any) -> Any:
            counts.append(top_k)
            return pb.ClassifyVideoResponse()

        classify = classify_images = classify_zero_shot = _answer

    monkeypatch.setattr("panope_client.Client", Client)
    return counts


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (("--image", "FILE"), 5),
        (("--image", "FILE", "--top-k", "7"), 7),
        (("--image", "FILE", "--label", "a", "--label", "b"), None),
        (("--image", "FILE", "--label", "a", "--top-k", "1"), 1),
        (("--audio", "FILE"), 5),
        (("--video", "FILE"), 5),
        (("--video", "FILE", "--top-k", "2"), 2),
        (("a text",), 5),
        (("a text", "--top-k", "9"), 9),
        (("a text", "--label", "a"), None),
    ],
)
def test_the_best_five_labels_of_a_model_are_asked_for_and_all_of_ones_own(
    tmp_path: Path, asked: list[Any], arguments: tuple[str, ...], count: int | None
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"a")
    given = [str(file) if each == "FILE" else each for each in arguments]
    done = CliRunner().invoke(app, ["classify", "acme/a", *given, "--address", "localhost:1"])
    assert done.exit_code == 0, done.output
    assert asked == [count]


def test_a_video_goes_with_nothing_that_is_of_other_inputs(tmp_path: Path) -> None:
    file = tmp_path / "film.mp4"
    file.write_bytes(b"a")
    done = CliRunner().invoke(app, ["classify", "acme/a", "--video", str(file), "--label", "a"])
    assert done.exit_code == 2
    assert (
        "`--video`: goes with no texts, no other file, and none of --second, --label and --multi-label" in done.stderr
    )
