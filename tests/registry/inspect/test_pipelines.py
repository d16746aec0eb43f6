"""What a folder of a diffusers pipeline says of itself, and which of its weights run together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from panope_backends.errors import PreconditionError
from panope_registry.ingest.folder import list_folder
from panope_registry.inspect.inspect import Inspection, inspect_files
from panope_registry.testing.families import pipeline_folder
from panope_registry.testing.formats import safetensors_bytes


def inspected(folder: Path) -> Inspection:
    return inspect_files({file.path: file.source for file in list_folder(folder)})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return pipeline_folder(tmp_path / "pipeline")


def weights(kind: str) -> bytes:
    return safetensors_bytes({"weight": (kind, [8, 8])})


def test_its_index_is_its_configuration_and_names_its_class(folder: Path) -> None:
    found = inspected(folder)
    assert (found.task, found.architecture) == ("image-generation", "StableDiffusionPipeline")
    assert found.config["unet"] == ["diffusers", "UNet2DConditionModel"]
    assert found.reasons["architecture"] == "model_index.json names it"


def test_weights_of_another_precision_are_another_variant_under_the_plain_names(folder: Path) -> None:
    for part in ("unet", "vae"):
        (folder / part / "diffusion_pytorch_model.safetensors").write_bytes(weights("F32"))
    (folder / "unet" / "diffusion_pytorch_model.fp16.safetensors").write_bytes(weights("F16"))
    plain, half = inspected(folder).weight_sets
    assert sorted(plain.files.values()) == sorted(half.files.values())
    assert plain.files == {path: path for path in plain.files}
    assert half.files["unet/diffusion_pytorch_model.fp16.safetensors"] == "unet/diffusion_pytorch_model.safetensors"
    assert "vae/diffusion_pytorch_model.safetensors" in half.files  # which there is in one precision alone


def test_weights_that_are_there_in_one_precision_alone_are_one_variant(folder: Path) -> None:
    for part in ("unet", "vae"):
        place = folder / part / "diffusion_pytorch_model.safetensors"
        place.rename(place.with_name("diffusion_pytorch_model.fp16.safetensors"))
    (only,) = inspected(folder).weight_sets
    assert only.precision == "fp16"
    assert set(only.files.values()) == {f"{part}/diffusion_pytorch_model.safetensors" for part in ("unet", "vae")}


def test_copies_for_other_programs_are_left_out(folder: Path) -> None:
    (folder / "all-in-one.safetensors").write_bytes(weights("F16"))
    (folder / "unet" / "diffusion_pytorch_model.non_ema.safetensors").write_bytes(weights("F16"))
    (folder / "vae_1_0").mkdir()
    (folder / "vae_1_0" / "diffusion_pytorch_model.safetensors").write_bytes(weights("F16"))
    (only,) = inspected(folder).weight_sets
    assert set(only.files) == {f"{part}/diffusion_pytorch_model.safetensors" for part in ("unet", "vae")}


def test_shards_of_a_part_are_weights_of_it(folder: Path) -> None:
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    names = [f"unet/diffusion_pytorch_model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    for name in names:
        (folder / name).write_bytes(weights("F16"))
    (only,) = inspected(folder).weight_sets
    assert {*names} < set(only.files)


def test_a_pipeline_of_pickles_is_refused(folder: Path) -> None:
    for part in ("unet", "vae"):
        (folder / part / "diffusion_pytorch_model.safetensors").rename(folder / part / "diffusion_pytorch_model.bin")
    with pytest.raises(PreconditionError, match="can run code when they are opened"):
        inspected(folder)


@pytest.mark.parametrize("index", [{"_class_name": 5}, {"_class_name": "X", "unet": 3}, {"unet": []}])
def test_an_odd_index_tells_what_it_can(folder: Path, index: dict[str, Any]) -> None:
    (folder / "model_index.json").write_text(json.dumps({"vae": ["diffusers", "AutoencoderKL"]} | index))
    assert inspected(folder).task == ""
