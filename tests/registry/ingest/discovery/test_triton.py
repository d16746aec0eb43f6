"""Triton's model repositories are found, understood and imported by their own rules."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from panope_backends.api import LoadOptions
from panope_backends.engines.torch import CpuBackend
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.testing.models import tiny_onnx
from panope_registry.ingest.discovery import FoundModel, discover_models
from panope_registry.inspect.pbtxt import MAX_BYTES, read_config
from panope_registry.registry import Registry

IR = '<net name="m"><layer type="Const"><data element_type="f16" shape="4" offset="0" size="8"/></layer></net>'

ONNX = """
name: "tiny"
platform: "onnxruntime_onnx"
max_batch_size: 8
input [ { name: "input_ids" data_type: TYPE_INT64 dims: [ -1 ] } ]
output [ { name: "last_hidden_state" data_type: TYPE_FP32 dims: [ -1, 16 ] } ]
"""

Make = Callable[..., Path]
Find = Callable[[], FoundModel]


@pytest.fixture
def onnx(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("onnx")
    tiny_onnx(folder)
    return (folder / "model.onnx").read_bytes()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@pytest.fixture
def make(repository: Path, onnx: bytes) -> Make:
    """Makes `tiny` with an ONNX file in each version, or other files."""

    def make(config: str | None = ONNX, *, versions: tuple[int, ...] = (1,), **files: bytes) -> Path:
        folder = repository / "tiny"
        content = {f"{version}/model.onnx": onnx for version in versions}
        content |= {path.replace("__", "/"): data for path, data in files.items()}
        for path, data in content.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        if config is not None:
            (folder / "config.pbtxt").write_text(config)
        return folder

    return make


@pytest.fixture
def find(repository: Path) -> Find:
    def find() -> FoundModel:
        (found,) = discover_models(repository)
        assert (found.kind, found.name) == ("triton", "models/tiny")
        return found

    return find


def test_a_model_is_imported_under_its_name_and_the_same_again_changes_nothing(
    make: Make, find: Find, registry: Registry
) -> None:
    make()
    found = find()
    assert (found.problem, found.facts["version"]) == ("", "1")
    entry = registry.import_files(found.files, found.name, reasons=found.reasons)
    (variant,) = entry.variants
    assert [file.path for file in variant.files] == ["config.pbtxt", "model.onnx"]
    assert variant.format == "onnx"
    assert entry.reasons["source"].endswith("backend: onnxruntime; version: 1")
    token = registry.change_token()
    assert registry.import_files(found.files, found.name, reasons=found.reasons).commit == entry.commit
    assert len(registry.models()) == 1
    assert registry.change_token() >= token


def test_importing_the_folder_itself_takes_one_version_too(make: Make, registry: Registry) -> None:
    (variant,) = registry.import_folder(make(versions=(1, 2)), "acme/tiny").variants
    assert [file.path for file in variant.files] == ["config.pbtxt", "model.onnx"]
    with pytest.raises(PreconditionError, match="TorchScript") as caught:
        registry.import_folder(make('platform: "pytorch_libtorch"'), "acme/other")
    assert caught.value.reason == "not_runnable"


def test_what_was_imported_runs(make: Make, find: Find, registry: Registry) -> None:
    make()
    entry = registry.import_files(find().files, "acme/tiny")
    (variant,) = entry.variants
    model = CpuBackend().load(
        registry.facts(entry, variant), registry.materialize(variant.digest), "CPU", LoadOptions()
    )
    tokens = np.array([[1, 2, 3]])
    found = model.run({"input_ids": tokens, "attention_mask": np.ones_like(tokens)}, ["length"])
    assert found["length"].tolist() == [3]


@pytest.mark.parametrize(
    ("policy", "served", "left_out"),
    [
        ("", "10", ""),
        ("version_policy { latest { num_versions: 2 } }", "10", "3"),
        ("version_policy: { all: { } }", "10", "1, 3"),
        ("version_policy { specific { versions: [ 1, 3, 7 ] } }", "3", "1"),
        ("version_policy { specific { versions: 1 } }", "1", ""),
    ],
)
def test_the_version_that_is_served_is_the_highest_that_the_policy_admits(
    make: Make, find: Find, policy: str, served: str, left_out: str
) -> None:
    make(ONNX + policy, versions=(1, 3, 10), README__md=b"x")
    found = find()
    assert (found.problem, found.facts["version"], found.facts.get("versions left out", "")) == ("", served, left_out)


@pytest.mark.parametrize(
    ("policy", "problem"),
    [
        ("version_policy { specific { versions: 4 } }", "no version that its policy (specific) admits"),
        ("version_policy { latest { } all { } }", "says latest and all"),
    ],
)
def test_a_policy_that_admits_nothing_or_contradicts_itself_is_a_problem(
    make: Make, find: Find, policy: str, problem: str
) -> None:
    make(ONNX + policy, versions=(1, 3))
    assert problem in find().problem


def test_without_a_configuration_the_files_tell_the_backend(make: Make, find: Find, repository: Path) -> None:
    make(None)
    assert (find().problem, find().facts["backend"]) == ("", "onnxruntime")
    (repository / "tiny/1/model.onnx").unlink()
    make(None, versions=(), **{"2__model.xml": IR.encode(), "2__model.bin": bytes(8)})
    assert (find().problem, find().facts) == ("", {"backend": "openvino", "version": "2"})


def test_a_file_of_another_name_is_taken_alone(make: Make, find: Find, onnx: bytes) -> None:
    make(ONNX + 'default_model_filename: "encoder.onnx"', **{"1__encoder.onnx": onnx, "labels.txt": b"a\nb"})
    found = find()
    assert [file.path for file in found.files] == ["encoder.onnx", "config.pbtxt", "labels.txt"]


def test_a_folder_of_the_models_name_holds_its_parts(make: Make, find: Find, onnx: bytes, repository: Path) -> None:
    make(versions=(), **{"1__model.onnx__model.onnx": onnx, "1__model.onnx__weights.pb": b"x"})
    assert {file.path for file in find().files} == {"model.onnx", "weights.pb", "config.pbtxt"}


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ('backend: "python"', "has no file `model.py`"),
        ('platform: "tensorrt_plan"', "TensorRT plan"),
        ('platform: "pytorch_libtorch"', "TorchScript"),
        ('platform: "ensemble" ensemble_scheduling { step [ { model_name: "a" model_version: -1 } ] }', "ensemble"),
        ('backend: "novel"', "`novel`, which is not known"),
        (ONNX + "sequence_batching { oldest { } }", "sequence_batching"),
        (ONNX + "model_transaction_policy { decoupled: true }", "decoupled"),
        ('backend: "onnxruntime" input { name: "x" dims: 1 reshape { shape: [ ] } }', "reshape"),
        ('backend: "onnxruntime" name: "other"', "its `name` is `other`"),
        ('backend: "onnxruntime" default_model_filename: "../../secret.onnx"', "not a path inside a model"),
        ('backend: "onnxruntime" default_model_filename: "gone.onnx"', "has no file `gone.onnx`"),
    ],
)
def test_what_does_not_run_is_told_with_the_reason(make: Make, find: Find, config: str, problem: str) -> None:
    make(config)
    assert problem in find().problem


def test_what_tunes_is_told_and_left_unused(make: Make, find: Find) -> None:
    make(ONNX + 'dynamic_batching { } instance_group { count: 2 kind: KIND_CPU } parameters { key: "a" }')
    assert find().facts["not used"] == "dynamic_batching, instance_group, parameters"


def test_a_link_that_leaves_the_folder_is_a_problem(make: Make, find: Find) -> None:
    (make() / "1" / "extra.bin").symlink_to("/etc/hostname")
    assert "a link that leaves the folder" in find().problem


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('name: "m"\nnovel_field: 1', 'line 2, column 1: Message type "ModelConfig" has no field named "novel_field"'),
        ("instance_group { kind: KIND_TPU }", "has no value named KIND_TPU"),
        ("name: 3", "line 1, column 7"),
        ("input { dims: [1 ", "line 1"),
        ("input { " * 30_000, "no field named"),
        ("max_batch_size: 99999999999", "out of range"),
        ('name: "\\ud800"', "line 1"),
        ("#" * (MAX_BYTES + 1), "larger than 256 KiB"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_a_broken_configuration_is_told_with_the_place(tmp_path: Path, text: str | bytes, where: str) -> None:
    file = tmp_path / "config.pbtxt"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(InvalidInputError) as caught:
        read_config(file)
    assert where.lower() in caught.value.message.lower()
    assert str(tmp_path) not in caught.value.message


def test_the_largest_configuration_is_read_in_a_moment(tmp_path: Path) -> None:
    file = tmp_path / "config.pbtxt"
    file.write_text("input [" + ",".join(itertools.repeat("{}", MAX_BYTES // 3 - 8)) + "]")
    started = time.monotonic()
    assert len(read_config(file).input) > 80_000
    assert time.monotonic() - started < 10


@given(st.binary(max_size=200) | st.text(alphabet="{}[]:,\"'\\ namepltfor_1-", max_size=200).map(str.encode))
def test_whatever_is_in_the_file_it_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.pbtxt"
    file.write_bytes(data)
    with contextlib.suppress(InvalidInputError):
        read_config(file)
