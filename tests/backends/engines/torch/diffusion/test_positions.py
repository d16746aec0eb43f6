"""Models that draw have positions for so many patches: what is past them is refused, not left to fail in the model."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from panope.worker.v1.image_generation_pb2 import ImageGenerationInput
from panope.worker.v1.video_generation_pb2 import VideoGenerationInput
from panope_backends.engines.torch.diffusion.pipeline_facts import pipeline_facts
from panope_backends.errors import InvalidInputError
from panope_backends.media.limits import MediaLimits
from panope_backends.tasks.image_generation.requests import ImageRequests
from panope_backends.tasks.video_generation.module import VideoRequests

LIMITS = MediaLimits()


class Images:
    """What is told of a pipeline of images."""

    vae_scale_factor = 8

    def __init__(self, transformer: str, **config: Any) -> None:
        made = type(transformer, (), {})()
        made.config = SimpleNamespace(**config)
        self.transformer = made

    def __call__(self, prompt: str, height: int = 1024, width: int = 1024, num_inference_steps: int = 28) -> None: ...


class Videos(Images):
    vae_scale_factor_spatial, vae_scale_factor_temporal, vae_scale_factor = 8, 4, 0

    def __call__(  # type: ignore[override]
        self, prompt: str, height: int = 480, width: int = 832, num_frames: int = 81, num_inference_steps: int = 50
    ) -> None: ...


def model(pipeline: Images) -> Any:
    return SimpleNamespace(facts=pipeline_facts(pipeline, {"text": pipeline}), excess=lambda _: None)


@pytest.mark.parametrize(
    ("pipeline", "side", "frames"),
    [
        (Images("SD3Transformer2DModel", patch_size=2, pos_embed_max_size=192), 3072, 0),
        (Images("CogView3PlusTransformer2DModel", patch_size=2, pos_embed_max_size=128), 2048, 0),
        (Images("AuraFlowTransformer2DModel", patch_size=2, pos_embed_max_size=4096), 1024, 0),
        (Images("CogView4Transformer2DModel", patch_size=2, pos_embed_max_size=128), 0, 0),
        (Images("FluxTransformer2DModel", patch_size=1), 0, 0),
        (Images("PixArtTransformer2DModel", patch_size=2, pos_embed_max_size=None), 0, 0),
        (Videos("WanTransformer3DModel", patch_size=(1, 2, 2), rope_max_seq_len=1024), 16_384, 4093),
        (Videos("LTXVideoTransformer3DModel", patch_size=1), 0, 0),
    ],
    ids=lambda value: type(value.transformer).__name__ if isinstance(value, Images) else None,
)
def test_the_positions_of_a_transformer_say_how_large_it_draws(pipeline: Images, side: int, frames: int) -> None:
    facts = model(pipeline).facts
    assert (facts.max_side, facts.max_frames) == (side, frames)


def test_what_a_model_draws_by_itself_is_within_its_positions() -> None:
    facts = model(Videos("WanTransformer3DModel", patch_size=(1, 2, 2), rope_max_seq_len=16)).facts
    assert (facts.width, facts.height, facts.frames) == (256, 256, 61)


@pytest.mark.parametrize("field", ["width", "height"])
def test_a_side_past_the_positions_is_refused_by_name(field: str) -> None:
    images = ImageRequests(model(Images("AuraFlowTransformer2DModel", patch_size=2, pos_embed_max_size=4096)), LIMITS)
    wanted = ImageGenerationInput(prompt="a fox", count=1, output_format="png")
    setattr(wanted, field, 1024)
    images.prepare(wanted.SerializeToString())
    setattr(wanted, field, 1040)
    with pytest.raises(InvalidInputError, match="the model takes at most 1,024 on a side") as refused:
        images.prepare(wanted.SerializeToString())
    assert refused.value.field == field


@pytest.mark.parametrize(("field", "most", "past"), [("width", 512, 528), ("height", 512, 528), ("frames", 125, 129)])
def test_a_video_past_the_positions_is_refused_by_name(field: str, most: int, past: int) -> None:
    videos = VideoRequests(model(Videos("WanTransformer3DModel", patch_size=(1, 2, 2), rope_max_seq_len=32)), LIMITS)
    wanted = VideoGenerationInput(prompt="a fox", output_format="mp4", width=64, height=64, frames=5)
    setattr(wanted, field, most)
    videos.prepare(wanted.SerializeToString())
    setattr(wanted, field, past)
    with pytest.raises(InvalidInputError, match="at most") as refused:
        videos.prepare(wanted.SerializeToString())
    assert refused.value.field == field
