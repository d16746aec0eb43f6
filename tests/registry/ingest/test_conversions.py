"""Conversions: kept with their source's configuration, found again by source, format, precision and engine version."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from panope_backends.errors import InvalidInputError, NotFoundError
from panope_registry.registry import ModelFilter, Registry, VariantEntry
from panope_registry.session import RegistrySession
from panope_registry.testing.forget import forget_model

MakeModel = Callable[..., Path]
KEY = {"task": "embed", "format": "openvino", "precision": "fp32", "engine_version": "2026.2"}


@pytest.fixture
def source(registry: Registry, make_model: MakeModel) -> VariantEntry:
    return registry.import_folder(make_model(), "v/m").variants[0]


def _output(folder: Path, content: bytes = b"weights", files: Mapping[str, str] | None = None) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "openvino_model.xml").write_text("<net/>")
    (folder / "openvino_model.bin").write_bytes(content)
    for path, text in (files or {}).items():
        (folder / path).write_text(text)
    return folder


def test_a_conversion_is_kept_with_its_sources_configuration(
    registry: Registry, source: VariantEntry, tmp_path: Path
) -> None:
    added = registry.add_conversion(source.digest, _output(tmp_path / "out"), backend="openvino", **KEY)
    assert (added.derived_from, added.format, added.engine_version) == (source.digest, "openvino", "2026.2")
    assert added.parameter_count == source.parameter_count
    assert [file.path for file in added.files] == [
        "1_Pooling/config.json",
        "config.json",
        "modules.json",
        "openvino_model.bin",
        "openvino_model.xml",
        "tokenizer.json",
    ]
    assert registry.find_conversion(source.digest, **KEY) == added
    entry = registry.model("v/m")
    assert entry.variants == (source, added)
    view = registry.materialize(added.digest)
    assert (view / "openvino_model.bin").read_bytes() == b"weights"
    assert not (view / "model.safetensors").exists()
    facts = registry.facts(entry, added)
    assert (facts.name, facts.format, facts.task) == ("v/m", "openvino", "embed")


def test_what_the_converter_wrote_comes_before_what_the_source_had(
    registry: Registry, source: VariantEntry, tmp_path: Path
) -> None:
    folder = _output(tmp_path / "out", files={"config.json": '{"other": 1}'})
    added = registry.add_conversion(source.digest, folder, backend="openvino", **KEY)
    assert (registry.materialize(added.digest) / "config.json").read_text() == '{"other": 1}'


def test_weights_of_later_modules_are_kept(
    registry: Registry, make_model: MakeModel, tmp_path: Path, dense_step: Mapping[str, bytes | str]
) -> None:
    (source,) = registry.import_folder(make_model(files=dense_step), "v/dense").variants
    added = registry.add_conversion(source.digest, _output(tmp_path / "out"), backend="openvino", **KEY)
    paths = [file.path for file in added.files]
    assert "2_Dense/model.safetensors" in paths
    assert "model.safetensors" not in paths


@pytest.mark.parametrize(
    "other", [{"task": "classify"}, {"precision": "fp16"}, {"engine_version": "2026.4"}, {"format": "onnx"}]
)
def test_another_key_is_another_conversion_even_of_equal_bytes(
    registry: Registry, source: VariantEntry, tmp_path: Path, other: dict[str, str]
) -> None:
    first = registry.add_conversion(source.digest, _output(tmp_path / "out"), backend="openvino", **KEY)
    assert registry.find_conversion(source.digest, **(KEY | other)) is None
    second = registry.add_conversion(source.digest, tmp_path / "out", backend="openvino", **(KEY | other))
    assert second.digest != first.digest
    assert registry.find_conversion(source.digest, **KEY) == first


def test_the_first_of_two_conversions_is_kept(registry: Registry, source: VariantEntry, tmp_path: Path) -> None:
    first = registry.add_conversion(source.digest, _output(tmp_path / "out", b"1"), backend="openvino", **KEY)
    second = registry.add_conversion(source.digest, _output(tmp_path / "out", b"2"), backend="openvino", **KEY)
    assert second == first


def test_a_conversion_serves_every_name_of_its_source(
    session: RegistrySession, registry: Registry, source: VariantEntry, make_model: MakeModel, tmp_path: Path
) -> None:
    added = registry.add_conversion(source.digest, _output(tmp_path / "out"), backend="openvino", **KEY)
    assert registry.import_folder(make_model(), "other/name").variants == (source, added)
    forget_model(session.database, "v/m")
    assert registry.find_conversion(source.digest, **KEY) == added
    assert registry.model("other/name").variants == (source, added)
    forget_model(session.database, "other/name")
    assert registry.find_conversion(source.digest, **KEY) is None


def test_names_of_one_content_have_the_conversions_of_their_own_task_alone(
    registry: Registry, source: VariantEntry, make_model: MakeModel, tmp_path: Path
) -> None:
    registry.import_folder(make_model(), "a/tokens", task_hints=["token-classify"])
    for_tokens = KEY | {"task": "token-classify"}
    tokens = registry.add_conversion(source.digest, _output(tmp_path / "out"), backend="openvino", **for_tokens)
    assert registry.find_conversion(source.digest, **KEY) is None
    assert registry.model("v/m").variants == (source,)
    vectors = registry.add_conversion(source.digest, tmp_path / "out", backend="openvino", **KEY)
    assert registry.model("a/tokens").variants == (source, tokens)
    assert registry.model("v/m").variants == (source, vectors)
    less = registry.add_conversion(
        tokens.digest, _output(tmp_path / "less", b"8"), backend="openvino", **(for_tokens | {"precision": "int8"})
    )
    assert registry.model("a/tokens").variants == (source, tokens, less)
    assert registry.facts(registry.model("a/tokens"), less).task == "token-classify"


def test_a_format_is_found_where_the_task_has_it(
    registry: Registry, source: VariantEntry, make_model: MakeModel, tmp_path: Path
) -> None:
    registry.import_folder(make_model(), "a/tokens", task_hints=["token-classify"])
    registry.add_conversion(source.digest, _output(tmp_path / "out"), backend="openvino", **KEY)
    assert [model.name for model in registry.models(ModelFilter(format="openvino"))] == ["v/m"]


def test_a_conversion_of_a_conversion_is_listed_after_both(
    registry: Registry, source: VariantEntry, tmp_path: Path
) -> None:
    first = registry.add_conversion(source.digest, _output(tmp_path / "out"), backend="openvino", **KEY)
    second = registry.add_conversion(
        first.digest, _output(tmp_path / "out", b"8"), backend="openvino", **(KEY | {"precision": "int8"})
    )
    assert registry.model("v/m").variants == (source, first, second)


def test_a_new_conversion_moves_the_token(registry: Registry, source: VariantEntry, tmp_path: Path) -> None:
    before = registry.change_token()
    registry.add_conversion(source.digest, _output(tmp_path / "out"), backend="openvino", **KEY)
    assert registry.change_token() != before


def test_nothing_is_converted_from_nothing_or_into_nothing(
    registry: Registry, source: VariantEntry, tmp_path: Path
) -> None:
    with pytest.raises(NotFoundError):
        registry.add_conversion("0" * 64, _output(tmp_path / "out"), backend="openvino", **KEY)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(InvalidInputError):
        registry.add_conversion(source.digest, tmp_path / "nothing", backend="openvino", **KEY)
    assert registry.find_conversion("0" * 64, **KEY) is None


def test_a_model_is_found_by_the_format_of_what_was_made_of_it_step_by_step(
    registry: Registry, source: VariantEntry, make_model: MakeModel, tmp_path: Path
) -> None:
    registry.import_folder(make_model("other", fill=1), "v/other")
    first = registry.add_conversion(source.digest, _output(tmp_path / "a"), backend="openvino", **KEY)
    assert [model.name for model in registry.models(ModelFilter(format="openvino"))] == ["v/m"]
    smaller = KEY | {"precision": "int8"}
    registry.add_conversion(first.digest, _output(tmp_path / "b", b"less"), backend="openvino", **smaller)
    assert [model.name for model in registry.models(ModelFilter(format="openvino"))] == ["v/m"]
    assert [model.name for model in registry.models(ModelFilter(format="safetensors"))] == ["v/m", "v/other"]
    assert registry.models(ModelFilter(format="gguf")) == []
