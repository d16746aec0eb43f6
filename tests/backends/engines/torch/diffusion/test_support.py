"""Which pipelines the engine takes, told by model_index.json alone, and what it says of the others."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from panope_backends.api import Level, ModelFacts
from panope_backends.engines.torch import CpuBackend
from panope_backends.engines.torch.diffusion.facts import begins_from

INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.42.1",
    "requires_safety_checker": True,
    "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
    "feature_extractor": [None, None],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "unet": ["diffusers", "UNet2DConditionModel"],
}


def support(index: dict[str, Any], task: str = "image-generation", form: str = "safetensors") -> Any:
    backend = CpuBackend()
    return backend.supports(ModelFacts("a/b", form, task, config=index), backend.devices()[0])


def test_a_pipeline_that_diffusers_lists_for_texts_is_run() -> None:
    found = support(INDEX)
    assert (found.level, found.reason) == (Level.FULL, "diffusers runs the pipeline StableDiffusionPipeline")


@pytest.mark.parametrize(
    ("index", "words"),
    [
        ({"_class_name": "MyPipeline"}, "'MyPipeline' is none that diffusers lists for the task image-generation"),
        ({"_class_name": ["pipeline.py", "MyPipeline"]}, "names no pipeline of diffusers"),
        ({"_class_name": "StableDiffusionControlNetPipeline"}, "needs more than a text"),
        ({"_class_name": "KandinskyCombinedPipeline"}, "several pipelines"),
        (
            {"unet": ["my_code", "MyUNet"]},
            "the part `unet` is of 'my_code', which is neither diffusers nor transformers",
        ),
        ({"unet": ["os", "system"]}, "neither diffusers nor transformers"),
        ({"unet": ["../../code", "MyUNet"]}, "neither diffusers nor transformers"),
        ({"unet": ["diffusers", "a b"]}, "the part `unet` names no class"),
        ({"../unet": ["diffusers", "UNet2DConditionModel"]}, "no library and class"),
        ({"unet": ["diffusers"]}, "no library and class"),
        ({"unet": ["diffusers", 5]}, "no library and class"),
    ],
)
def test_other_pipelines_are_refused_with_the_reason(index: dict[str, Any], words: str) -> None:
    found = support(INDEX | index)
    assert (found.level, found.is_final) == (Level.NONE, True)
    assert words in found.reason


def test_other_formats_are_not_run() -> None:
    assert support(INDEX, form="pytorch").level is Level.NONE
    assert support(INDEX, form="onnx").level is Level.NONE


def test_what_pipelines_begin_from_is_as_diffusers_maps_have_it() -> None:
    assert begins_from("FluxPipeline", "image-generation") == {"text"}
    assert begins_from("StableDiffusionXLImg2ImgPipeline", "image-generation") == {"image"}
    assert begins_from("StableDiffusionInpaintPipeline", "image-generation") == {"mask"}
    assert begins_from("FluxKontextPipeline", "image-generation") == {"text", "image"}
    assert not begins_from("WanPipeline", "image-generation")
    assert begins_from("WanPipeline", "video-generation") == {"text"}


def test_nothing_is_imported_to_tell() -> None:
    before = set(sys.modules)
    support(INDEX)
    assert not {"diffusers"} & (set(sys.modules) - before)
