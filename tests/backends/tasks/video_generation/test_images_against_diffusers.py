"""What a worker draws with tiny seeded pipelines that begin with an image is what diffusers draws with them."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.served_images import photograph, served

from panope.worker.v1 import media_pb2
from panope.worker.v1 import video_generation_pb2 as messages
from panope_backends.api import DiffusionFacts
from panope_backends.errors import InvalidInputError
from panope_backends.media.video_writer import video_file
from panope_backends.tasks.video_generation.module import size_of
from panope_backends.testing.vision.diffusion import tiny_pipeline
from panope_backends.worker.loading import ServedModel

# PyTorch, diffusers and a pipeline of each kind; of what these import are the warnings.
pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning"),
]

TASK = "video-generation"
PHOTOGRAPH = photograph(5, (150, 100))
ASKED = {"prompt": "a red fox", "width": 64, "height": 32, "frames": 9, "frames_per_second": 8, "seed": 7, "steps": 2}

#: Two that draw from an image alone, and one that draws from a text too.
KINDS = ("wan-image", "ltx-image", "ltx")


@pytest.fixture(scope="module", params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_pipeline(tmp_path_factory.mktemp("pipelines") / request.param, request.param, seed=3)


@pytest.fixture(scope="module")
def model(folder: Path) -> ServedModel:
    return served(folder, TASK)


def drawn(model: ServedModel, image: bytes | None = PHOTOGRAPH, **fields: Any) -> messages.VideoPiece:
    """The file of an answer."""
    message = messages.VideoGenerationInput(**ASKED | {"output_format": "mp4"} | fields)
    if image is not None:
        message.image.CopyFrom(media_pb2.Image(content=image))
    job: Any = model.requests[TASK](message.SerializeToString())
    while True:
        data, is_last = job.step()
        if is_last:
            return messages.VideoGenerationOutput.FromString(data).piece


@pytest.mark.slow
def test_the_frames_are_those_that_diffusers_draws_from_the_image(folder: Path, model: ServedModel) -> None:
    import diffusers
    import torch

    pipeline = diffusers.DiffusionPipeline.from_pretrained(folder, local_files_only=True)
    if isinstance(pipeline, diffusers.LTXPipeline):
        pipeline = diffusers.LTXImageToVideoPipeline(**pipeline.components)
    pipeline.set_progress_bar_config(disable=True)
    more = {} if isinstance(pipeline, diffusers.WanImageToVideoPipeline) else {"frame_rate": 8}
    made = pipeline(
        image=Image.open(io.BytesIO(PHOTOGRAPH)).convert("RGB"),
        prompt="a red fox",
        width=64,
        height=32,
        num_frames=9,
        num_inference_steps=2,
        guidance_scale=4.0,
        generator=torch.Generator().manual_seed(7),
        output_type="np",
        **more,
    ).frames[0]
    wanted = (made * 255).round().astype(np.uint8)
    piece = drawn(model, guidance_scale=4.0)
    # The codec is the only difference, and the same frames make the same file.
    assert piece.content == video_file(wanted, (64, 32), Fraction(8), "mp4")
    assert piece.content != drawn(model, photograph(6, (150, 100)), guidance_scale=4.0).content


@pytest.mark.slow
def test_a_model_says_what_it_begins_with_and_refuses_the_rest(folder: Path, model: ServedModel) -> None:
    draws_from_texts = folder.name == "ltx"
    facts = model.model.facts  # type: ignore[attr-defined]
    assert facts.inputs == ({"text", "image"} if draws_from_texts else {"image"})
    if draws_from_texts:
        assert drawn(model, None).frames == 9
    else:
        with pytest.raises(InvalidInputError, match="`image` is missing: the model draws from an image"):
            drawn(model, None)
    for image, words in ((b"", "`image`"), (PHOTOGRAPH[:200], "truncated or broken"), (b"hello", "of no known format")):
        with pytest.raises(InvalidInputError, match=words) as refused:
            drawn(model, image)
        assert refused.value.field == "image"


@pytest.mark.slow
def test_a_model_of_texts_alone_refuses_an_image(tmp_path: Path) -> None:
    model = served(tiny_pipeline(tmp_path / "wan", "wan"), TASK)
    with pytest.raises(InvalidInputError, match="the pipeline WanPipeline does not draw from an image"):
        drawn(model)


FACTS = DiffusionFacts(
    pipeline="WanImageToVideoPipeline",
    inputs=frozenset({"image"}),
    honoured=frozenset(),
    multiple=16,
    width=832,
    height=480,
    steps=50,
    guidance_scale=5.0,
    checks_safety=False,
)


@pytest.mark.parametrize(
    ("asked", "image", "size"),
    [
        ((0, 0), None, (832, 480)),
        ((320, 0), None, (320, 480)),
        ((64, 32), (100, 100), (64, 32)),
        ((0, 0), (100, 100), (624, 624)),
        ((0, 0), (4000, 2000), (896, 448)),
        ((0, 0), (2000, 4000), (448, 896)),
        ((320, 0), (1000, 500), (320, 160)),
        ((0, 320), (500, 1000), (160, 320)),
        ((0, 0), (20_000, 100), (8944, 48)),
    ],
)
def test_a_video_has_the_images_shape_where_no_size_is_told(
    asked: tuple[int, int], image: tuple[int, int] | None, size: tuple[int, int]
) -> None:
    assert size_of(*asked, FACTS, Image.new("L", image) if image else None) == size
