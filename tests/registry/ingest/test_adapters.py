"""An adapter is imported together with its base model: both are in its variant, and what does not fit is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from panope_backends.errors import InvalidInputError, NotFoundError, PanopeError, PreconditionError
from panope_registry.registry import Registry
from panope_registry.retention.retention import RetentionManager
from panope_registry.session import RegistrySession
from panope_registry.sources.hub import HubSource
from panope_registry.testing import HubStandIn
from panope_registry.testing.adapters import LAYER, TENSORS, base_model, lora_adapter
from panope_registry.testing.formats import gguf_bytes, safetensors_bytes

BASE, ADAPTER = "acme/tiny", "acme/tiny:sql"

UP, DOWN = f"{LAYER}.lora_B.weight", f"{LAYER}.lora_A.weight"


@pytest.fixture
def retention(session: RegistrySession) -> RetentionManager:
    return session.retention


@pytest.fixture
def base(registry: Registry, tmp_path: Path) -> str:
    """The digest of the base's variant."""
    return registry.import_folder(base_model(tmp_path / "base"), BASE).variants[0].digest


def test_its_variant_has_the_files_of_both(registry: Registry, base: str, tmp_path: Path) -> None:
    entry = registry.import_folder(lora_adapter(tmp_path / "lora", BASE), ADAPTER)
    (variant,) = entry.variants
    whole = registry.model(BASE)
    assert (entry.task, entry.architecture, entry.config) == ("generate", "LlamaForCausalLM", whole.config)
    assert (variant.base_models, variant.format, variant.precision) == ((BASE,), "safetensors", "fp32")
    assert variant.parameter_count == whole.variants[0].parameter_count + 2 * 2 * 32
    assert variant.memory_bytes > whole.variants[0].memory_bytes
    assert entry.reasons["adapter"] == "LoRA of rank 2 and alpha 4 in 1 modules: q_proj"
    folder = registry.materialize(variant.digest)
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == [
        "adapter/adapter_config.json",
        "adapter/adapter_model.safetensors",
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert (folder / "model.safetensors").samefile(registry.materialize(base) / "model.safetensors")
    assert registry.facts(entry, variant).has_adapter
    assert not registry.facts(whole, whole.variants[0]).has_adapter


def test_two_adapters_of_a_base_are_two_variants_and_leave_it_as_it_is(
    registry: Registry, base: str, tmp_path: Path
) -> None:
    digests = {
        registry.import_folder(lora_adapter(tmp_path / name, BASE, fill=fill), f"acme/{name}").variants[0].digest
        for fill, name in enumerate(("a", "b"))
    }
    assert len(digests | {base}) == 3
    assert [variant.digest for variant in registry.model(BASE).variants] == [base]


@pytest.mark.parametrize(
    ("name", "named", "said"),
    [
        ("acme/sql", BASE, ""),
        ("acme/sql", "/home/author/models/tiny", BASE),
        ("acme/sql", "meta/original", BASE),
        (ADAPTER, "meta/original", ""),
        (ADAPTER, None, ""),
    ],
)
def test_the_base_is_the_one_that_is_said_or_named(
    registry: Registry, base: str, tmp_path: Path, name: str, named: str, said: str
) -> None:
    entry = registry.import_folder(lora_adapter(tmp_path / "lora", named), name, base_model=said)
    assert entry.variants[0].base_models == (BASE,)
    assert f"it is `{BASE}`" in entry.reasons["base model"]


def test_what_was_said_of_the_base_stays_said(registry: Registry, base: str, tmp_path: Path) -> None:
    folder = lora_adapter(tmp_path / "lora", "meta/original")
    first = registry.import_folder(folder, "acme/sql", base_model=BASE)
    assert registry.import_folder(folder, "acme/sql").variants == first.variants


def test_a_base_that_changes_leaves_its_adapters_until_they_are_imported_again(
    registry: Registry, base: str, tmp_path: Path
) -> None:
    folder = lora_adapter(tmp_path / "lora", BASE)
    before = registry.import_folder(folder, ADAPTER).variants[0]
    changed = json.dumps({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "changed": True})
    registry.import_folder(base_model(tmp_path / "new", fill=1, files={"config.json": changed}), BASE)
    assert registry.model(ADAPTER).variants == (before,)
    again = registry.import_folder(folder, ADAPTER)
    (after,) = again.variants
    assert after.digest != before.digest
    assert again.config["changed"]
    registry.materialize(after.digest)


def test_a_tokenizer_of_its_own_is_the_one_that_is_used(registry: Registry, base: str, tmp_path: Path) -> None:
    own = {"tokenizer.json": '{"own": 1}', "chat_template.jinja": "{{ messages }}", "config.json": "{}"}
    checkpoint = {"checkpoint-5/adapter_config.json": "{}", "checkpoint-5/trainer_state.json": "{}"}
    folder = lora_adapter(tmp_path / "lora", BASE, files=own | checkpoint)
    variant = registry.import_folder(folder, ADAPTER).variants[0]
    view = registry.materialize(variant.digest)
    assert (view / "tokenizer.json").read_text() == own["tokenizer.json"]
    assert (view / "chat_template.jinja").is_file()
    assert not (view / "tokenizer_config.json").exists()  # of the base's tokenizer
    assert "llama" in (view / "config.json").read_text()
    assert not (view / "checkpoint-5").exists()


def test_a_model_that_embeds_has_the_adapter_beside_its_transformer(
    registry: Registry, make_model: Callable[..., Path], tmp_path: Path
) -> None:
    modules = [
        {"idx": 0, "name": "0", "path": "0_Transformer", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ]
    query = "encoder.layer.0.attention.self.query"
    files = {
        "model.safetensors": None,
        "config.json": None,
        "modules.json": json.dumps(modules),
        "0_Transformer/config.json": json.dumps({"architectures": ["BertModel"], "model_type": "bert"}),
        "0_Transformer/model.safetensors": safetensors_bytes({f"{query}.weight": ("F32", [4, 4])}),
    }
    registry.import_folder(make_model(files=files), "acme/embedder")
    own = {"1_Pooling/config.json": '{"word_embedding_dimension": 4, "pooling_mode_cls_token": true}'}
    folder = lora_adapter(
        tmp_path / "lora",
        "acme/embedder",
        config={"task_type": "FEATURE_EXTRACTION", "target_modules": ["query"]},
        tensors={f"base_model.model.{query}.lora_A.weight": (2, 4), f"base_model.model.{query}.lora_B.weight": (4, 2)},
        files=own,
    )
    entry = registry.import_folder(folder, "acme/embedder:law")
    view = registry.materialize(entry.variants[0].digest)
    assert entry.task == "embed"
    assert (view / "0_Transformer/adapter/adapter_model.safetensors").is_file()
    assert "mean" in (view / "1_Pooling/config.json").read_text()  # the base's: the adapter has no modules.json


def test_a_base_is_not_deleted_while_an_adapter_needs_it(
    registry: Registry, retention: RetentionManager, base: str, tmp_path: Path
) -> None:
    variant = registry.import_folder(lora_adapter(tmp_path / "lora", BASE), ADAPTER).variants[0]
    with pytest.raises(PreconditionError, match=f"`{ADAPTER}`; delete them first") as caught:
        retention.remove_model(BASE)
    assert caught.value.reason == "has_adapters"
    removed = retention.remove_model(ADAPTER)
    assert removed.variants == (variant.digest,)
    registry.materialize(base)
    retention.remove_model(BASE)
    with pytest.raises(NotFoundError):
        registry.model(BASE)


def test_a_conversion_of_it_needs_its_own_files_alone(registry: Registry, base: str, tmp_path: Path) -> None:
    entry = registry.import_folder(lora_adapter(tmp_path / "lora", BASE), ADAPTER)
    variant = entry.variants[0]
    made = tmp_path / "made"
    made.mkdir()
    (made / "openvino_model.xml").write_text("<net/>")
    converted = registry.add_conversion(
        variant.digest, made, task="embed", format="openvino", precision="fp32", backend="openvino", engine_version="1"
    )
    assert [file.path for file in converted.files] == [
        "config.json",
        "openvino_model.xml",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert converted.base_models == ()
    assert not registry.facts(entry, converted).has_adapter


def test_from_a_hub_the_files_of_both_are_downloaded_each_from_its_repo(
    hub: HubStandIn, registry: Registry, source: HubSource, download: Callable[[str], None], tmp_path: Path
) -> None:
    hub.add(BASE, base_model(tmp_path / "base"))
    hub.add("them/sql", lora_adapter(tmp_path / "lora", BASE))
    with pytest.raises(NotFoundError, match="base model is not registered: `acme/tiny`") as caught:
        registry.register("them/sql", source=source)
    assert caught.value.reason == "base_model_not_found"
    registry.register(BASE, source=source)
    (variant,) = registry.register("them/sql", source=source).variants
    assert {(file.repo, file.path) for file in registry.missing_files(variant.digest)} == {
        (BASE, "model.safetensors"),
        ("them/sql", "adapter_model.safetensors"),
    }
    download(variant.digest)
    assert registry.model(BASE).variants[0].is_local
    registry.materialize(variant.digest)


@pytest.mark.parametrize(
    ("told", "how"),
    [
        ("of 16 × 32", {"tensors": {DOWN: (2, 32), UP: (16, 2)}}),
        (
            "which the base model does not have",
            {"tensors": {name.replace(".0.", ".7."): shape for name, shape in TENSORS.items()}},
        ),
        (
            "`lm_head.weight`",
            {
                "config": {"modules_to_save": ["lm_head"]},
                "tensors": {**TENSORS, "base_model.model.lm_head.weight": (65, 32)},
            },
        ),
    ],
)
def test_an_adapter_of_another_model_is_refused(
    registry: Registry, base: str, tmp_path: Path, told: str, how: dict[str, Any]
) -> None:
    error = refused(registry, lora_adapter(tmp_path / "lora", BASE, **how))
    assert (type(error), error.reason, error.field) == (InvalidInputError, "adapter_mismatch", "base_model")
    assert told in error.message


def refused(registry: Registry, folder: Path, name: str = ADAPTER, **how: Any) -> PanopeError:
    """What importing it raises; nothing is recorded."""
    before = [entry.name for entry in registry.models()]
    with pytest.raises(PanopeError) as caught:
        registry.import_folder(folder, name, **how)
    assert [entry.name for entry in registry.models()] == before
    return caught.value


def test_a_base_that_is_not_known_is_told_by_every_name_that_was_tried(registry: Registry, tmp_path: Path) -> None:
    error = refused(registry, lora_adapter(tmp_path / "lora", "meta/original"))
    assert (type(error), error.reason, error.field) == (NotFoundError, "base_model_not_found", "base_model")
    assert "`meta/original`, `acme/tiny`" in error.message
    nameless = refused(registry, lora_adapter(tmp_path / "nameless", "../.."), "acme/sql")
    assert "which it does not name" in nameless.message


def test_a_base_without_safetensors_is_refused(registry: Registry, tmp_path: Path) -> None:
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "model.gguf").write_bytes(gguf_bytes("llama", {"a": [4]}))
    registry.import_folder(folder, BASE)
    error = refused(registry, lora_adapter(tmp_path / "lora", BASE))
    assert error.reason == "unsupported_base_model"
    assert "has gguf" in error.message


def test_an_adapter_is_no_base(registry: Registry, base: str, tmp_path: Path) -> None:
    registry.import_folder(lora_adapter(tmp_path / "lora", BASE), ADAPTER)
    error = refused(registry, lora_adapter(tmp_path / "second", ADAPTER, fill=1), "acme/second")
    assert error.reason == "unsupported_base_model"


def test_an_adapter_of_itself_is_refused(registry: Registry, base: str, tmp_path: Path) -> None:
    assert refused(registry, lora_adapter(tmp_path / "lora", BASE), BASE).reason == "cyclic_components"


def test_a_base_is_said_of_an_adapter_alone(registry: Registry, base: str, tmp_path: Path) -> None:
    error = refused(registry, base_model(tmp_path / "whole", fill=1), "acme/whole", base_model=BASE)
    assert (type(error), error.field) == (InvalidInputError, "base_model")


def gguf_file(folder: Path, name: str, architecture: str = "llama", **keys: str) -> Path:
    folder.mkdir()
    named = {key.replace("__", "."): value for key, value in keys.items()}
    (folder / name).write_bytes(gguf_bytes(architecture, {"blk.0.attn_q.weight.lora_a": [4, 2]}, keys=named))
    return folder


LORA = {"general__type": "adapter", "adapter__type": "lora", "adapter__lora__alpha": "8"}


def test_an_adapter_in_llama_cpps_format_has_a_base_of_gguf(registry: Registry, tmp_path: Path) -> None:
    base = registry.import_folder(gguf_file(tmp_path / "base", "model.gguf"), BASE).variants[0]
    entry = registry.import_folder(gguf_file(tmp_path / "lora", "sql-f16.gguf", **LORA), ADAPTER)
    (variant,) = entry.variants
    assert (variant.format, variant.base_models, entry.task) == ("gguf", (BASE,), "generate")
    assert entry.reasons["adapter"] == "LoRA of alpha 8 for `llama`, in llama.cpp's format"
    folder = registry.materialize(variant.digest)
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.gguf")) == [
        "adapter/adapter_model.gguf",
        "model.gguf",
    ]
    assert (folder / "model.gguf").samefile(registry.materialize(base.digest) / "model.gguf")


@pytest.mark.parametrize(
    ("architecture", "keys", "reason", "told"),
    [
        ("qwen2", LORA, "adapter_mismatch", "`qwen2`, and the base model of `llama`"),
        ("llama", LORA | {"adapter__type": "control_vector"}, "unsupported_adapter", "`control_vector`"),
        ("llama", LORA | {"adapter__alora__invocation_tokens": "1"}, "unsupported_adapter", "`adapter.alora."),
    ],
)
def test_an_adapter_that_llama_cpp_would_not_apply_as_it_is_is_refused(
    registry: Registry, tmp_path: Path, architecture: str, keys: dict[str, str], reason: str, told: str
) -> None:
    registry.import_folder(gguf_file(tmp_path / "base", "model.gguf"), BASE)
    error = refused(registry, gguf_file(tmp_path / "lora", "sql.gguf", architecture, **keys))
    assert error.reason == reason
    assert told in error.message


def test_a_base_of_safetensors_takes_no_adapter_in_llama_cpps_format(
    registry: Registry, base: str, tmp_path: Path
) -> None:
    error = refused(registry, gguf_file(tmp_path / "lora", "sql.gguf", **LORA))
    assert error.reason == "unsupported_base_model"
    assert "has safetensors" in error.message


def test_two_adapters_in_one_folder_are_refused(registry: Registry, tmp_path: Path) -> None:
    registry.import_folder(gguf_file(tmp_path / "base", "model.gguf"), BASE)
    folder = gguf_file(tmp_path / "lora", "a.gguf", **LORA)
    (folder / "b.gguf").write_bytes((folder / "a.gguf").read_bytes())
    assert "stands beside other weights: `a.gguf`, `b.gguf`" in refused(registry, folder).message
