"""Graphs of other libraries are recognised by what they take and give; what may be two things is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from safetensors.numpy import load_file

from panope_backends.errors import InvalidInputError, PreconditionError
from panope_registry.ingest.describe.describe import RULES, describe
from panope_registry.ingest.folder import list_folder
from panope_registry.registry import Registry

Shape = Sequence[int | str]
Ends = Mapping[str, Shape]


def write_graph(path: Path, inputs: Ends, outputs: Ends) -> None:
    """A graph of constants: what it takes and gives is all that is looked at."""
    path.parent.mkdir(parents=True, exist_ok=True)
    takes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()]
    gives = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()]
    values = helper.make_tensor("value", TensorProto.FLOAT, [1], [0.0])
    nodes = [helper.make_node("Identity", ["value"], [name]) for name in outputs]
    onnx.save(helper.make_model(helper.make_graph(nodes, "graph", takes, gives, [values])), path)


def described(folder: Path, tmp_path: Path, **said: Any) -> tuple[dict[str, Any], Path]:
    """The description that comes with a folder, empty for none, and where it was written."""
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    files, _ = describe(list_folder(folder), scratch, **said)
    written = {file.path: file.source for file in files}.get("panope.json")
    return (json.loads(written.read_text()) if written is not None else {}), scratch


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    return tmp_path / "model"


IMAGE: Ends = {"image": [1, 3, 64, 32]}
FREE: Ends = {"image": ["n", 3, "h", "w"]}
PAIR: Ends = {"img1": ["n", 3, "h", "w"], "img0": ["n", 3, "h", "w"]}
GRIDS: Ends = {
    **{f"scores{at}": [1, count, 80] for at, count in enumerate((32, 8, 2))},
    **{f"edges{at}": [1, count, 44] for at, count in enumerate((32, 8, 2))},
}


@pytest.mark.parametrize(
    ("file", "inputs", "outputs", "task", "told"),
    [
        (
            "a.onnx",
            FREE,
            {"537": [1, 1, 8, 8], "538": [1, 2, 8, 8], "539": [1, 2, 8, 8], "540": [1, 10, 8, 8]},
            "detect",
            {"decoder": "center-points", "heatmap": "537", "landmarks": "540"},
        ),
        ("a.onnx", {"x": [1, 192, 192, 3]}, {"y": [1, 1, 17, 3]}, "detect", {"decoder": "keypoints"}),
        ("a.onnx", IMAGE, GRIDS, "detect", {"decoder": "distribution-boxes", "strides": [8, 16, 32]}),
        (
            "a.onnx",
            {"x": [1, 3, 320, 320]},
            {f"m{at}": [1, 1, 320, 320] for at in range(7)},
            "segment",
            {"decoder": "salient-mask", "mask": "m0"},
        ),
        (
            "RealESRGAN_x4plus.onnx",
            FREE,
            {"y": ["n", 3, "H", "W"]},
            "super-resolution",
            {"decoder": "image", "scale": 4},
        ),
        ("a.onnx", IMAGE, {"y": [1, 3, 128, 64]}, "super-resolution", {"decoder": "image", "scale": 2}),
        (
            "a.onnx",
            {**PAIR, "time": [1]},
            {"y": ["n", 3, "h", "w"]},
            "frame-interpolation",
            {"decoder": "frame-between"},
        ),
        ("rife.onnx", PAIR, {"y": ["n", 3, "h", "w"]}, "frame-interpolation", {"decoder": "frame-between"}),
        (
            "film_net.onnx",
            {"x0": [1, "h", "w", 3], "x1": [1, "h", "w", 3], "time": [1, 1]},
            {"image": [1, "h", "w", 3], "flow": [1, "h", "w", 2]},
            "frame-interpolation",
            {"decoder": "frame-between", "image": "image"},
        ),
    ],
)
def test_a_graph_is_described_by_what_it_takes_and_gives(
    folder: Path, tmp_path: Path, file: str, inputs: Ends, outputs: Ends, task: str, told: Mapping[str, Any]
) -> None:
    write_graph(folder / file, inputs, outputs)
    found, _ = described(folder, tmp_path)
    assert found["task"] == task
    assert {**found["output"], **told} == found["output"]


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ({**PAIR, "t": [1]}, {"first": "img0", "second": "img1", "timestep": "t", "multiple_of": 64}),
        (
            {**PAIR, "t": ["n", 1, "h", "w"]},
            {"first": "img0", "second": "img1", "timestep": "t", "timestep_form": "plane", "multiple_of": 64},
        ),
        ({"x": [1, 6, 64, 128]}, {"frames": "x", "height": 64, "width": 128}),
        ({"x": ["n", 7, "h", "w"]}, {"frames": "x", "timestep_form": "channel", "multiple_of": 64}),
    ],
)
def test_graphs_of_frames_are_described_by_their_inputs(
    folder: Path, tmp_path: Path, inputs: Ends, told: Mapping[str, Any]
) -> None:
    write_graph(folder / "rife.onnx", inputs, {"y": ["n", 3, "h", "w"]})
    assert described(folder, tmp_path)[0]["input"] == told


def test_two_images_to_one_are_frames_only_where_somebody_says_so(folder: Path, tmp_path: Path) -> None:
    write_graph(folder / "a.onnx", PAIR, {"y": ["n", 3, "h", "w"]})
    assert described(folder, tmp_path)[0] == {}
    for said in ({"task_hints": ("frame-interpolation",)}, {"decoder": "frame-between"}):
        assert described(folder, tmp_path, **said)[0]["task"] == "frame-interpolation"
    for inputs in ({**PAIR, "mask": ["n", 1, "h", "w"], "t": [1]}, {"x": ["n", 4, "h", "w"]}):
        write_graph(folder / "a.onnx", inputs, {"y": ["n", 3, "h", "w"]})
        assert described(folder, tmp_path)[0] == {}


def piper(folder: Path, **changes: Any) -> None:
    inputs: dict[str, Shape] = {"input": [1, "n"], "input_lengths": [1], "scales": [3]}
    if "speaker_id_map" in changes:
        inputs["sid"] = [1]
    write_graph(folder / "voice.onnx", inputs, {"output": [1, 1, "t"]})
    told = {
        "audio": {"sample_rate": 22050},
        "espeak": {"voice": "en-us"},
        "inference": {"noise_scale": 0.6, "length_scale": 1.1, "noise_w": 0.7},
        "phoneme_id_map": {"_": [0], "^": [1], "$": [2], "a": [3], "b": [4]},
    }
    (folder / "voice.onnx.json").write_text(json.dumps(told | changes))


def test_a_voice_of_piper_is_described_by_the_file_beside_it(folder: Path, tmp_path: Path) -> None:
    piper(folder)
    found, _ = described(folder, tmp_path)
    assert found["phonemes"] == {"ids": {"a": [3], "b": [4]}, "begin": [1], "between": [0], "end": [2]}
    assert (found["sample_rate"], found["language"]) == (22050, "en-us")
    assert found["scales"] == {"noise": 0.6, "length": 1.1, "noise_width": 0.7}
    piper(folder, num_speakers=3, speaker_id_map={"ann": 1, "bob": 0})
    assert described(folder, tmp_path)[0]["voices"] == ["bob", "ann", "2"]
    piper(folder, phoneme_id_map={"a": [3]})
    assert described(folder, tmp_path)[0] == {}


def kokoro(folder: Path) -> None:
    write_graph(folder / "model.onnx", {"tokens": [1, "n"], "style": [1, 4], "speed": [1]}, {"audio": ["t"]})
    (folder / "vocab.json").write_text(json.dumps({"vocab": {"a": 1, "b": 2}}))


def test_voices_of_kokoro_become_safetensors(folder: Path, tmp_path: Path) -> None:
    kokoro(folder)
    styles = np.arange(24, dtype=np.float32).reshape(6, 1, 4)
    np.savez(folder / "voices.npz", ann=styles, bob=styles + 1)
    found, scratch = described(folder, tmp_path)
    assert found["phonemes"] == {"ids": {"a": [1], "b": [2]}, "begin": [0], "end": [0]}
    assert found["styles"] == "styles.safetensors"
    np.testing.assert_array_equal(load_file(scratch / "styles.safetensors")["bob"], styles + 1)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"\x80\x04K\x01."])
def test_voices_that_are_no_archive_or_pickled_are_refused(folder: Path, tmp_path: Path, content: bytes) -> None:
    kokoro(folder)
    (folder / "voices.npz").write_bytes(content)
    with pytest.raises(InvalidInputError, match=r"`voices\.npz` is no archive of voices"):
        described(folder, tmp_path)
    np.savez(folder / "voices.npz", ann=np.array([{"a": 1}], object))
    with pytest.raises(InvalidInputError, match=r"`voices\.npz` is no archive of voices"):
        described(folder, tmp_path)


def test_graphs_that_read_text_are_told_apart_by_their_outputs(folder: Path, tmp_path: Path) -> None:
    write_graph(folder / "det/ch_det.onnx", {"x": ["n", 3, "h", "w"]}, {"y": ["n", 1, "h", "w"]})
    write_graph(folder / "ch_rec.onnx", {"x": ["n", 3, 48, "w"]}, {"y": ["n", "t", 6625]})
    write_graph(folder / "ch_cls.onnx", {"x": ["n", 3, 48, 192]}, {"y": ["n", 2]})
    (folder / "ppocr_keys_v1.txt").write_text("a\nb\n", encoding="utf-8")
    found, _ = described(folder, tmp_path)
    assert found == {
        "version": 1,
        "task": "ocr",
        "detector": {"file": "det/ch_det.onnx"},
        "orientation": {"file": "ch_cls.onnx"},
        "recognizer": {"file": "ch_rec.onnx", "characters": ["a", "b"]},
    }


def test_what_may_be_two_things_is_refused_with_both_names_until_somebody_says_which(
    folder: Path, tmp_path: Path
) -> None:
    small = {name: [*shape[:2], 32 if "edges" in name else 10] for name, shape in GRIDS.items()}
    write_graph(folder / "model.onnx", IMAGE, small)
    with pytest.raises(PreconditionError, match=r"`nanodet` .* or `picodet` .*--decoder") as error:
        described(folder, tmp_path)
    assert error.value.reason == "ambiguous_graph"
    assert described(folder, tmp_path, decoder="picodet")[0]["input"]["mean"] == [0.485, 0.456, 0.406]
    assert described(folder, tmp_path, decoder="nanodet")[0]["input"]["colors"] == "BGR"
    with pytest.raises(PreconditionError, match="`nanodet`"):
        described(folder, tmp_path, decoder="distribution-boxes")
    (folder / "model.onnx").rename(folder / "nanodet-m.onnx")
    assert described(folder, tmp_path)[0]["input"]["colors"] == "BGR"


def test_a_classifier_is_described_when_somebody_says_that_it_is_one(folder: Path, tmp_path: Path) -> None:
    write_graph(folder / "model.onnx", {"x": ["n", 3, 224, 224]}, {"y": ["n", 3]})
    assert described(folder, tmp_path) == ({}, tmp_path / "scratch")
    (folder / "labels.txt").write_text("cat\ndog\nfox\n")
    for said in ({"task_hints": ("classify",)}, {"decoder": "imagenet"}, {"decoder": "labels"}):
        found, _ = described(folder, tmp_path, **said)
        assert (found["labels"], found["input"]["crop_from"]) == (["cat", "dog", "fox"], 256)
    assert described(folder, tmp_path, task_hints=("detect",))[0] == {}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "config.json").write_text('{"model_type": "swin2sr"}'),
        lambda folder: (folder / "panope.json").write_text("{}"),
        lambda folder: write_graph(folder / "other.onnx", IMAGE, {"y": [1, 7]}),
        lambda folder: (folder / "broken.onnx").write_bytes(b"\xff" * 40),
    ],
)
def test_a_folder_that_says_itself_what_it_is_stays_as_it_is(
    folder: Path, tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    write_graph(folder / "x4.onnx", IMAGE, {"y": [1, 3, 256, 128]})
    assert described(folder, tmp_path)[0]["task"] == "super-resolution"
    spoil(folder)
    files = list_folder(folder)
    assert describe(files, tmp_path / "scratch") == (files, {})


def test_a_decoder_that_does_not_fit_is_refused_with_those_that_are_known(folder: Path, tmp_path: Path) -> None:
    write_graph(folder / "model.onnx", {"ids": [1, 4]}, {"y": [1, 4]})
    with pytest.raises(InvalidInputError, match="do not fit `movenet`") as error:
        described(folder, tmp_path, decoder="movenet")
    assert error.value.field == "decoder"
    assert all(f"`{name}`" in error.value.message for name in RULES)


def test_what_a_file_says_wrong_is_told_at_import(folder: Path, tmp_path: Path) -> None:
    piper(folder, audio={"sample_rate": 5})
    with pytest.raises(InvalidInputError, match=r"one of `piper`.*sample_rate"):
        described(folder, tmp_path)


def test_an_imported_model_has_its_description_and_the_folder_is_left_alone(registry: Registry, folder: Path) -> None:
    write_graph(folder / "model.onnx", {"x": [1, 192, 192, 3]}, {"y": [1, 1, 17, 3]})
    entry = registry.import_folder(folder, "acme/movenet")
    assert (entry.task, entry.architecture) == ("detect", "keypoints")
    assert entry.reasons["description"].startswith("panope.json was written as of `movenet`")
    checked_out = registry.materialize(entry.variants[0].digest)
    assert json.loads((checked_out / "panope.json").read_text())["labels"] == ["person"]
    assert not (folder / "panope.json").exists()
    assert registry.import_folder(folder, "acme/movenet").commit == entry.commit
