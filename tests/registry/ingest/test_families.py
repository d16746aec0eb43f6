"""Models of many families go the whole way: repo, sync without weights, download, view, load, every tensor equal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers
from safetensors import safe_open
from safetensors.torch import load_file

from panope_registry.registry import Registry
from panope_registry.sources.hub import HubSource
from panope_registry.testing import HubStandIn
from panope_registry.testing.families import FAMILIES, Family, build, pipeline_folder
from panope_registry.testing.formats import gguf_bytes

NAME = "vendor/model"
Download = Callable[[str], None]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Family], Path]:
    """A family's model, made once."""
    made: dict[str, Path] = {}

    def get(family: Family) -> Path:
        if family.name not in made:
            made[family.name] = build(family, tmp_path_factory.mktemp(family.name))
        return made[family.name]

    return get


@pytest.fixture
def database_url(tmp_path: Path, sqlite_template: Path) -> str:
    """SQLite alone: what is tried here is the same on both."""
    return f"sqlite:///{tmp_path / 'registry.sqlite3'}"


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_family_is_understood_from_afar_and_loads_as_it_was_saved(
    hub: HubStandIn,
    registry: Registry,
    source: HubSource,
    download: Download,
    built: Callable[[Family], Path],
    tmp_path: Path,
    family: Family,
) -> None:
    folder = built(family)
    hub.add(NAME, folder)
    entry = registry.register(NAME, source=source)
    (variant,) = entry.variants
    saved = load_file(folder / "model.safetensors")
    parameters = sum(tensor.numel() for tensor in saved.values() if tensor.is_floating_point())
    assert (entry.task, entry.architecture) == (family.task, family.head)
    assert (variant.format, variant.precision, variant.parameter_count) == ("safetensors", "fp32", parameters)
    assert variant.missing_bytes == (folder / "model.safetensors").stat().st_size
    assert variant.memory_bytes > variant.missing_bytes
    assert sum("range" not in request.headers for request in hub.gets("model.safetensors")) == 0
    download(variant.digest)
    view = registry.materialize(variant.digest)
    loaded = getattr(transformers, family.head).from_pretrained(view, local_files_only=True)
    loaded.save_pretrained(tmp_path / "again")  # under the names that files have, which are not always the modules'
    again = load_file(tmp_path / "again" / "model.safetensors")
    assert again.keys() == saved.keys()
    assert all(torch.equal(again[name], tensor) for name, tensor in saved.items())
    if family.reads_text:
        tokenizer = transformers.AutoTokenizer.from_pretrained(view, local_files_only=True)
        assert tokenizer.decode(tokenizer("Hé!")["input_ids"]) == "Hé!"


def test_every_kind_of_family_is_there() -> None:
    assert len({family.name for family in FAMILIES}) >= 12
    assert {family.kind for family in FAMILIES} == {
        "encoder",
        "decoder",
        "encoder-decoder",
        "vision",
        "speech",
        "image and text",
        "mixture of experts",
        "state space",
    }


def test_the_same_seed_makes_the_same_model(tmp_path: Path) -> None:
    family = next(family for family in FAMILIES if family.name == "llama")
    seeds = {"a": 1, "b": 1, "c": 2}
    files = [build(family, tmp_path / name, seed) / "model.safetensors" for name, seed in seeds.items()]
    first, second, third = (file.read_bytes() for file in files)
    assert first == second != third


def test_a_pipelines_parts_are_one_variant(
    hub: HubStandIn, registry: Registry, source: HubSource, download: Download, tmp_path: Path
) -> None:
    hub.add(NAME, pipeline_folder(tmp_path / "pipeline"))
    (variant,) = registry.register(NAME, source=source).variants
    assert (variant.precision, variant.parameter_count) == ("fp16", 128)
    download(variant.digest)
    view = registry.materialize(variant.digest)
    for part in ("unet", "vae"):
        with safe_open(view / part / "diffusion_pytorch_model.safetensors", "pt") as weights:
            assert list(weights.keys()) == [f"{part}.weight"]


def test_a_gguf_file_is_understood_by_its_header(hub: HubStandIn, registry: Registry, source: HubSource) -> None:
    words = {f"tokenizer.word.{number}": "x" * 1000 for number in range(200)}
    keys = {"general.file_type": 15, "llama.context_length": 4096} | words
    hub.add(NAME, {"model.gguf": gguf_bytes("llama", {"a": [64, 4000], "b": [100]}, keys=keys)})
    entry = registry.register(NAME, source=source)
    (variant,) = entry.variants
    assert (entry.task, entry.architecture) == ("generate", "llama")
    assert (variant.format, variant.precision, variant.parameter_count) == ("gguf", "q4_k_m", 256_100)
    sizes = [request.headers["range"] for request in hub.requests if request.on == "cdn"]
    assert sizes == ["bytes=0-65535", "bytes=65536-196607", "bytes=196608-458751"]
