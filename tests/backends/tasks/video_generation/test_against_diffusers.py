"""What a worker draws with tiny seeded pipelines of videos is what diffusers draws with them, before the codec."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.served_images import served

from panope.worker.v1 import video_generation_pb2 as messages
from panope_backends.errors import InvalidInputError
from panope_backends.media.video_writer import VIDEO_KINDS, video_file
from panope_backends.testing.vision.diffusion import tiny_pipeline
from panope_backends.worker.loading import ServedModel

# PyTorch, diffusers and a pipeline of each kind; of what these import are the warnings.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning"),
]

TASK = "video-generation"
KINDS = ("wan", "ltx")
ASKED = {"prompt": "a red fox", "width": 64, "height": 32, "frames": 9, "frames_per_second": 8, "seed": 7}


@pytest.fixture(scope="module", params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_pipeline(tmp_path_factory.mktemp("pipelines") / request.param, request.param, seed=3)


@pytest.fixture(scope="module")
def model(folder: Path) -> ServedModel:
    return served(folder, TASK)


def answered(model: ServedModel, **fields: Any) -> list[messages.VideoGenerationOutput]:
    """Every part of an answer."""
    message = messages.VideoGenerationInput(**ASKED | {"output_format": "mp4"} | fields)
    job: Any = model.requests[TASK](message.SerializeToString())
    parts, is_last = [], False
    while not is_last:
        data, is_last = job.step()
        parts.append(messages.VideoGenerationOutput.FromString(data))
    return parts


def frames_of(file: bytes) -> tuple[np.ndarray[Any, Any], Fraction]:
    import av

    with av.open(io.BytesIO(file)) as container:
        rate = container.streams.video[0].average_rate
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]), Fraction(rate or 0)


def theirs(folder: Path, **options: Any) -> np.ndarray[Any, Any]:
    """The frames that diffusers draws."""
    import diffusers
    import torch

    pipeline = diffusers.DiffusionPipeline.from_pretrained(folder, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    if "frame_rate" in diffusers.LTXPipeline.__call__.__annotations__ and isinstance(pipeline, diffusers.LTXPipeline):
        options["frame_rate"] = ASKED["frames_per_second"]
    made = pipeline(
        ASKED["prompt"],
        width=64,
        height=32,
        num_frames=9,
        generator=torch.Generator().manual_seed(7),
        output_type="np",
        **options,
    )
    return (made.frames[0] * 255).round().astype(np.uint8)


@pytest.mark.parametrize("kind", VIDEO_KINDS)
def test_steps_are_told_and_then_the_frames_that_diffusers_draws(folder: Path, model: ServedModel, kind: str) -> None:
    *steps, last = answered(model, steps=3, guidance_scale=4.0, negative_prompt="snow", output_format=kind)
    assert [(part.progress.step, part.progress.steps) for part in steps] == [(1, 3), (2, 3), (3, 3)]
    piece = last.piece
    assert (piece.width, piece.height, piece.frames, piece.frames_per_second, piece.seed) == (64, 32, 9, 8, 7)
    wanted = theirs(folder, num_inference_steps=3, guidance_scale=4.0, negative_prompt="snow")
    # The codec is the only difference, and the same frames make the same file.
    assert piece.content == video_file(wanted, (64, 32), Fraction(8), kind)
    frames, rate = frames_of(piece.content)
    assert (frames.shape, rate) == (wanted.shape, 8)


def test_what_cannot_be_drawn_is_refused_by_name(model: ServedModel) -> None:
    for field, fields in (
        ("width", {"width": 40}),
        ("frames", {"frames": 8}),
        ("frames", {"frames": 1025, "width": 1920, "height": 1088}),
        ("negative_prompt", {"negative_prompt": "snow", "guidance_scale": 1.0}),
    ):
        with pytest.raises(InvalidInputError) as refused:
            answered(model, **fields)
        assert refused.value.field == field


def test_all_that_the_positions_are_for_is_drawn(model: ServedModel, folder: Path) -> None:
    if folder.name != "wan":
        pytest.skip("it counts its positions as it goes")
    small = {"width": 16, "height": 16, "frames": 5, "steps": 1}
    for field, most, past in (("width", 2048, 2064), ("height", 2048, 2064), ("frames", 509, 513)):
        assert answered(model, **small | {field: most})[-1].piece.content
        with pytest.raises(InvalidInputError, match=f"at most {most:,}") as refused:
            answered(model, **small | {field: past})
        assert refused.value.field == field


def test_a_file_of_many_frames_comes_in_pieces(model: ServedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panope_backends.tasks.video_generation.job.PIECE_BYTES", 500)
    parts = [part.piece for part in answered(model, steps=1) if part.HasField("piece")]
    assert len(parts) > 2
    assert frames_of(b"".join(part.content for part in parts))[0].shape == (9, 32, 64, 3)
