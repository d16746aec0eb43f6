"""What a worker draws with tiny seeded pipelines is what diffusers draws with them, pixel by pixel."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file
from tests.served_images import photograph, sent, served

from panope.worker.v1 import image_generation_pb2 as messages
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.testing.vision.diffusion import tiny_pipeline
from panope_backends.worker.loading import ServedModel

# Of what diffusers imports.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")

TASK = "image-generation"

# PyTorch and diffusers take seconds to be imported: one pipeline runs in `make test`, all in `make test-all`.
OTHERS = ("stable-diffusion-xl", "stable-diffusion-3", "flux", "pixart")
KINDS = ["stable-diffusion", *(pytest.param(kind, marks=pytest.mark.slow) for kind in OTHERS)]
FROM_IMAGES = ["stable-diffusion", *(pytest.param(kind, marks=pytest.mark.slow) for kind in OTHERS[:-1])]


class Drawers:
    """Models of each kind, as a worker has them and as diffusers has them, each loaded once."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._served: dict[str, ServedModel] = {}
        self._pipelines: dict[str, Any] = {}

    def served(self, kind: str) -> ServedModel:
        if kind not in self._served:
            self._served[kind] = served(tiny_pipeline(self._place / kind, kind, seed=3), TASK)
        return self._served[kind]

    def theirs(self, kind: str, auto: str = "DiffusionPipeline", **options: Any) -> np.ndarray[Any, Any]:
        """What diffusers draws."""
        import diffusers
        import torch

        if kind not in self._pipelines:
            pipeline = diffusers.DiffusionPipeline.from_pretrained(self._place / kind, local_files_only=True)
            pipeline.set_progress_bar_config(disable=True)
            self._pipelines[kind] = pipeline
        pipeline = self._pipelines[kind]
        if auto != "DiffusionPipeline":
            pipeline = getattr(diffusers, auto).from_pipe(pipeline)
            pipeline.set_progress_bar_config(disable=True)
        generator = torch.Generator().manual_seed(options.pop("seed"))
        return np.asarray(pipeline(generator=generator, **options).images[0])


@pytest.fixture(scope="module")
def drawers(tmp_path_factory: pytest.TempPathFactory) -> Drawers:
    return Drawers(tmp_path_factory.mktemp("pipelines"))


def answered(model: ServedModel, **fields: Any) -> list[messages.ImageGenerationOutput]:
    """Every part of an answer."""
    job: Any = model.requests[TASK](
        messages.ImageGenerationInput(**{"count": 1, "output_format": "png"} | fields).SerializeToString()
    )
    parts, is_last = [], False
    while not is_last:
        data, is_last = job.step()
        parts.append(messages.ImageGenerationOutput.FromString(data))
    return parts


def drawn(model: ServedModel, **fields: Any) -> np.ndarray[Any, Any]:
    image = answered(model, **fields)[-1].image
    made = np.asarray(Image.open(io.BytesIO(image.content)))
    assert made.shape == (image.height, image.width, 3)
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_becomes_what_diffusers_draws(drawers: Drawers, kind: str) -> None:
    asked = {"prompt": "a red fox", "width": 64, "height": 48, "seed": 7, "guidance_scale": 4.0}
    ours = drawn(drawers.served(kind), steps=3, **asked)
    assert np.array_equal(ours, drawers.theirs(kind, num_inference_steps=3, **asked))
    assert ours.std() > 5
    other = drawn(drawers.served(kind), steps=3, **asked | {"seed": 8})
    assert not np.array_equal(ours, other)


@pytest.mark.parametrize("kind", FROM_IMAGES)
def test_an_image_becomes_what_diffusers_draws_of_it(drawers: Drawers, kind: str) -> None:
    model = drawers.served(kind)
    (photo,) = sent(photograph(0, (64, 64)))
    image = Image.open(io.BytesIO(photo.content)).convert("RGB")
    asked = {"prompt": "a red fox", "seed": 7, "strength": 0.6}
    ours = drawn(model, steps=4, image=photo, **asked)
    size = {"width": 64, "height": 64} if kind in ("stable-diffusion-3", "flux") else {}  # others take the image's
    theirs = drawers.theirs(kind, "AutoPipelineForImage2Image", image=image, num_inference_steps=4, **asked, **size)
    assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("kind", FROM_IMAGES)
def test_a_part_of_an_image_becomes_what_diffusers_draws_of_it(drawers: Drawers, kind: str) -> None:
    model = drawers.served(kind)
    (photo,) = sent(photograph(0, (64, 64)))
    image = Image.open(io.BytesIO(photo.content)).convert("RGB")
    white = np.zeros((64, 64), np.uint8)
    white[:, 40:] = 255
    file = io.BytesIO()
    Image.fromarray(white).save(file, "PNG")
    asked = {"prompt": "a red fox", "seed": 7, "strength": 0.9}
    ours = drawn(model, steps=4, image=photo, mask=sent(file.getvalue())[0], width=64, height=64, **asked)
    theirs = drawers.theirs(
        kind,
        "AutoPipelineForInpainting",
        image=image,
        mask_image=Image.fromarray(white),
        num_inference_steps=4,
        width=64,
        height=64,
        **asked,
    )
    assert np.array_equal(ours, theirs)


def test_runs_that_take_turns_do_not_know_of_each_other(drawers: Drawers) -> None:
    model = drawers.served("stable-diffusion")
    asked = {"prompt": "a red fox", "width": 64, "height": 64, "count": 1, "output_format": "png"}
    alone = [drawn(model, steps=steps, seed=steps, **asked) for steps in (2, 5)]
    jobs: list[Any] = [
        model.requests[TASK](messages.ImageGenerationInput(steps=steps, seed=steps, **asked).SerializeToString())
        for steps in (2, 5)
    ]
    found: dict[int, bytes] = {}
    while len(found) < len(jobs):
        for place, job in enumerate(jobs):
            if place not in found:
                data, is_last = job.step()
                if is_last:
                    found[place] = messages.ImageGenerationOutput.FromString(data).image.content
    for place, image in enumerate(alone):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(found[place]))), image)


def test_a_job_that_is_closed_ends_without_an_answer(drawers: Drawers) -> None:
    model = drawers.served("stable-diffusion")
    job: Any = model.requests[TASK](
        messages.ImageGenerationInput(prompt="a", count=1, output_format="png", steps=200).SerializeToString()
    )
    job.step()
    job.close()
    assert job.step() == (b"", True)


def test_fields_that_would_change_nothing_are_refused_by_name(drawers: Drawers) -> None:
    model = drawers.served("stable-diffusion")
    (photo,) = sent(photograph())
    for field, fields in (
        ("negative_prompt", {"negative_prompt": "snow", "guidance_scale": 0.5}),
        ("strength", {"strength": 0.5}),
        ("strength", {"strength": 0.1, "steps": 5, "image": photo}),
        ("width", {"width": 12}),
        ("width", {"width": 8, "height": 1 << 20}),
    ):
        with pytest.raises(InvalidInputError) as refused:
            answered(model, prompt="a", **fields)
        assert refused.value.field == field


@pytest.mark.slow
def test_pipelines_say_what_they_do_not_honour(drawers: Drawers) -> None:
    with pytest.raises(InvalidInputError, match="changes nothing in the pipeline FluxPipeline"):
        answered(drawers.served("flux"), prompt="a", negative_prompt="snow")
    with pytest.raises(InvalidInputError, match="PixArtSigmaPipeline does not draw from an image"):
        answered(drawers.served("pixart"), prompt="a", image=sent(photograph())[0])


def edited(folder: Path, **changes: Any) -> Path:
    file = folder / "model_index.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    return folder


def test_a_class_that_no_library_has_is_refused_by_name(tmp_path: Path) -> None:
    folder = edited(tiny_pipeline(tmp_path / "model"), scheduler=["diffusers", "FoxScheduler"])
    with pytest.raises(
        PreconditionError, match=r"the part `scheduler` is a `FoxScheduler`, which diffusers .* has not"
    ):
        served(folder, TASK)


def test_weights_that_are_missing_are_no_random_numbers(tmp_path: Path) -> None:
    folder = tiny_pipeline(tmp_path / "model")
    for part, file in (("unet", "diffusion_pytorch_model"), ("text_encoder", "model")):
        place = folder / part / f"{file}.safetensors"
        whole = load_file(place)
        save_file(dict(list(whole.items())[1:]), place, {"format": "pt"})
        with pytest.raises(PreconditionError, match=f"the part `{part}` lack"):
            served(folder, TASK)
        save_file(whole, place, {"format": "pt"})


@pytest.mark.slow
def test_what_the_safety_checker_flags_is_told(drawers: Drawers) -> None:
    image = answered(drawers.served("stable-diffusion-checked"), prompt="a", steps=1)[-1].image
    assert image.flagged
    assert not np.asarray(Image.open(io.BytesIO(image.content))).any()
