"""The openvino engine: devices, precision, cache, and what it keeps out of the process."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panope_backends.api import Converter, Device, Level, LoadOptions, ModelFacts
from panope_backends.engines.openvino import backend as engine
from panope_backends.engines.openvino.backend import OpenVinoBackend
from panope_backends.engines.openvino.runtime import import_converter
from panope_backends.errors import InvalidInputError, PreconditionError

FACTS = ModelFacts("test/tiny-bert", "openvino", "embed")


class FakeCore:
    """Answers as OpenVINO does, for devices that this machine lacks."""

    def __init__(self, capabilities: dict[str, list[str]]) -> None:
        self.available_devices = list(capabilities)
        self._capabilities = capabilities

    def get_property(self, device: str, name: str) -> Any:
        return {
            "FULL_DEVICE_NAME": f"Maker's {device} ",
            "OPTIMIZATION_CAPABILITIES": self._capabilities[device],
            "SUPPORTED_PROPERTIES": {"GPU_DEVICE_TOTAL_MEM_SIZE": "RO"},
            "GPU_DEVICE_TOTAL_MEM_SIZE": 8 << 30,
            "GPU_MEMORY_STATISTICS": {"usm_device": 3 << 20, "cl_mem": 1 << 20, "usm_host": 9 << 20},
        }[name]

    def compile_model(self, *_: object) -> Any:
        raise AssertionError("nothing may be compiled")


def backend_with(**capabilities: list[str]) -> OpenVinoBackend:
    backend = OpenVinoBackend()
    backend._kept_core = FakeCore(capabilities)
    return backend


def inputs(batch: int = 3, length: int = 11) -> dict[str, np.ndarray[Any, Any]]:
    ids = np.random.default_rng(0).integers(3, 90, (batch, length))
    return {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}


def test_bf16_is_offered_first_where_openvino_lists_it() -> None:
    device = backend_with(CPU=["BF16", "FP32", "INT8"]).devices()[0]
    assert device.precisions == ("bf16", "fp32")


def test_what_a_process_holds_of_a_gpu_is_told_without_what_lies_in_the_machines_memory() -> None:
    backend = backend_with(**{"CPU": ["FP32"], "GPU.0": ["FP16"]})
    assert backend.device_memory_bytes("GPU.0") == 4 << 20
    assert backend.device_memory_bytes("CPU") is None


def test_bf16_is_refused_by_name_where_openvino_does_not_list_it(converted_bert: Path) -> None:
    backend = backend_with(CPU=["FP32", "INT8"])
    assert backend.devices()[0].precisions == ("fp32",)
    with pytest.raises(PreconditionError, match=r"cannot compute in precision `bf16`; it has: fp32"):
        backend.load(FACTS, converted_bert, "CPU", LoadOptions(precision="bf16"))


ALL = {"CPU": ["FP32"], "GPU.0": ["FP32"], "GPU.1": ["FP32"]}


@pytest.mark.parametrize(
    ("variable", "names"),
    [
        ("", ["CPU", "GPU.0", "GPU.1"]),
        ("CPU", ["CPU"]),
        ("gpu", ["GPU.0", "GPU.1"]),
        ("GPU.1, CPU", ["GPU.1", "CPU"]),
        ("GPU,GPU.0", ["GPU.0", "GPU.1"]),
        ("GPU.1,, GPU.1 ,-1", ["GPU.1"]),
        (" , ", ["CPU", "GPU.0", "GPU.1"]),
    ],
)
def test_ov_device_says_which_devices_may_be_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, names: list[str]
) -> None:
    monkeypatch.setenv("OV_DEVICE", variable)
    backend = backend_with(**ALL)
    assert [device.name for device in backend.devices() if device.available] == names
    (tmp_path / engine.MODEL_FILE).touch()
    for hidden in set(ALL) - set(names):
        with pytest.raises(PreconditionError, match=f"no device `{hidden}`; it has: {', '.join(names)}"):
            backend.load(FACTS, tmp_path, hidden, LoadOptions())


def test_the_only_gpu_has_both_of_its_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OV_DEVICE", "GPU.0")
    found = backend_with(CPU=["FP32"], GPU=["FP32"]).devices()
    assert [device.name for device in found if device.available] == ["GPU"]


@pytest.mark.parametrize("variable", ["NPU,NPU", "MY CARD, my card", "-1,-1"])
def test_a_name_that_is_given_twice_is_missing_once(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv("OV_DEVICE", variable)
    names = [device.name for device in backend_with(**ALL).devices()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("variable", ["NPU", "AUTO", "MULTI:CPU", "HETERO:GPU.0", "MY CARD"])
def test_a_device_that_ov_device_names_and_openvino_lacks_is_said_to_be_missing(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv("OV_DEVICE", variable)
    device = next(each for each in backend_with(**ALL).devices() if each.name == variable)
    assert not device.available
    assert device.reason == "the variable OV_DEVICE names it, and OpenVINO has: CPU, GPU.0, GPU.1"
    chooses = variable.partition(":")[0] in ("AUTO", "MULTI", "HETERO")
    assert ("Panope chooses" in device.advice) is chooses


def test_a_name_shows_no_control_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OV_DEVICE", "CPU,N\x1b[2JPU\u202e")
    names = [device.name for device in backend_with(**ALL).devices()]
    assert "N\N{REPLACEMENT CHARACTER}[2JPU\N{REPLACEMENT CHARACTER}" in names
    assert all(name.isprintable() for name in names)


def test_devices_carry_the_makers_name_and_their_memory() -> None:
    cpu, gpu, npu = backend_with(CPU=["FP32"], GPU=["FP32", "FP16"], NPU=["FP16"]).devices()
    assert (cpu.description, gpu.description) == ("Maker's CPU", "Maker's GPU")
    assert cpu.memory_bytes > 1 << 30
    assert gpu.memory_bytes == 8 << 30
    assert npu.memory_bytes == 0
    assert gpu.precisions == ("fp16", "fp32")


@pytest.mark.parametrize(
    ("device", "model", "level"),
    [
        (Device("openvino", "CPU"), ModelFacts("a/b", "openvino"), Level.FULL),
        (Device("openvino", "GPU.0"), ModelFacts("a/b", "openvino"), Level.PARTIAL),
        (Device("openvino", "NPU"), ModelFacts("a/b", "openvino"), Level.NONE),
        (Device("openvino", "CPU"), ModelFacts("a/b", "safetensors"), Level.NONE),
        (Device("openvino", "CPU"), ModelFacts("a/b", "onnx"), Level.NONE),
        (Device("openvino", "CPU"), ModelFacts("a/voice", "onnx", "speak"), Level.PARTIAL),
        (Device("openvino", "GPU.0"), ModelFacts("a/voice", "onnx", "speak"), Level.NONE),
        (Device("openvino", "CPU", available=False, reason="gone"), ModelFacts("a/b", "openvino"), Level.NONE),
    ],
    ids=str,
)
def test_support_depends_on_device_and_format(device: Device, model: ModelFacts, level: Level) -> None:
    support = OpenVinoBackend().supports(model, device)
    assert support.level is level
    assert support.reason


def test_without_the_package_there_is_a_device_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    (device,) = OpenVinoBackend().devices()
    assert not device.available
    assert "panope-serving[openvino]" in device.reason


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PreconditionError, match=r"openvino_model\.xml") as refusal:
        OpenVinoBackend().load(FACTS, tmp_path, "CPU", LoadOptions())
    assert str(tmp_path) not in refusal.value.message


def test_models_of_tables_are_not_converted() -> None:
    facts = ModelFacts(
        "a/b", "safetensors", "table-question-answer", "TapasForQuestionAnswering", {"model_type": "tapas"}
    )
    support = OpenVinoBackend().supports(facts, Device("openvino", "CPU"))
    assert (support.level, support.is_final) == (Level.NONE, True)
    assert "tables" in support.reason


def test_a_device_that_is_not_there_is_refused_by_name(converted_bert: Path) -> None:
    with pytest.raises(PreconditionError, match=r"no device `GPU\.7`; it has: CPU"):
        OpenVinoBackend().load(FACTS, converted_bert, "GPU.7", LoadOptions())


def test_a_broken_model_is_refused_without_openvinos_words(tmp_path: Path) -> None:
    (tmp_path / "openvino_model.xml").write_text("<net name='broken'")
    (tmp_path / "openvino_model.bin").write_bytes(b"")
    with pytest.raises(PreconditionError) as refusal:
        OpenVinoBackend().load(FACTS, tmp_path, "CPU", LoadOptions())
    assert refusal.value.message == "OpenVINO refuses the model on CPU"


def test_shapes_that_do_not_fit_each_other_are_the_callers_fault(converted_bert: Path) -> None:
    model = OpenVinoBackend().load(FACTS, converted_bert, "CPU", LoadOptions())
    arrays = inputs()
    arrays["token_type_ids"] = arrays["token_type_ids"][:, :-1].copy()
    with pytest.raises(InvalidInputError, match="shapes"):
        model.run(arrays)
    assert model.run(inputs())["last_hidden_state"].shape == (3, 11, 32), "a refusal leaves the model usable"


def test_a_second_start_compiles_nothing_and_answers_the_same(converted_bert: Path, tmp_path: Path) -> None:
    options = LoadOptions(precision="fp32", cache_folder=tmp_path)
    first = OpenVinoBackend().load(FACTS, converted_bert, "CPU", options).run(inputs())
    kept = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert kept
    second = OpenVinoBackend().load(FACTS, converted_bert, "CPU", options).run(inputs())
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == kept
    np.testing.assert_array_equal(second["last_hidden_state"], first["last_hidden_state"])


def test_the_cache_holds_no_weights(converted_bert: Path, tmp_path: Path) -> None:
    """Told by a model with weights of another size and the same graph: the weights' file is read at each start."""
    OpenVinoBackend().load(FACTS, converted_bert, "CPU", LoadOptions(cache_folder=tmp_path))
    weights = (converted_bert / "openvino_model.bin").read_bytes()
    middle = weights[len(weights) // 2 :][:64]
    assert all(middle not in path.read_bytes() for path in tmp_path.iterdir())


def halved(content: bytes) -> bytes:
    return content[: len(content) // 2]


def with_another_bit(part: float) -> Callable[[bytes], bytes]:
    """OpenVINO takes about half of such graphs for whole, and answers wrongly by some."""

    def damage(content: bytes) -> bytes:
        place = round(len(content) * part)
        return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]

    return damage


@pytest.mark.parametrize(
    "damage", [lambda _: b"", lambda _: b"garbage" * 100, halved, *map(with_another_bit, (0.2, 0.4, 0.6, 0.8))]
)
def test_a_damaged_cache_is_compiled_again(
    converted_bert: Path, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    options = LoadOptions(precision="fp32", cache_folder=tmp_path)
    expected = OpenVinoBackend().load(FACTS, converted_bert, "CPU", options).run(inputs())["last_hidden_state"]
    (kept,) = tmp_path.glob("*.blob")
    content = kept.read_bytes()
    kept.chmod(0o600)
    kept.write_bytes(damage(content))
    found = OpenVinoBackend().load(FACTS, converted_bert, "CPU", options).run(inputs())["last_hidden_state"]
    np.testing.assert_array_equal(found, expected)
    assert kept.read_bytes() != damage(content), "it is kept anew"


def test_a_cached_graph_that_nobody_has_noted_is_compiled_again_and_noted(converted_bert: Path, tmp_path: Path) -> None:
    options = LoadOptions(precision="fp32", cache_folder=tmp_path)
    OpenVinoBackend().load(FACTS, converted_bert, "CPU", options)
    (note,) = tmp_path.glob("*.sha256")
    note.unlink()  # as where its worker was killed before it wrote that
    OpenVinoBackend().load(FACTS, converted_bert, "CPU", options)
    (kept,) = tmp_path.glob("*.blob")
    assert note.read_text() == hashlib.sha256(kept.read_bytes()).hexdigest()


def test_one_cache_serves_both_precisions(converted_bert: Path, tmp_path: Path) -> None:
    """OpenVINO names its cached graphs without the precision, so a mix-up would not be seen otherwise."""
    if "bf16" not in OpenVinoBackend().devices()[0].precisions:
        pytest.skip("this processor has no native bf16")
    found = {}
    for precision in ("bf16", "fp32", "bf16", "fp32"):
        options = LoadOptions(precision=precision, cache_folder=tmp_path)
        model = OpenVinoBackend().load(FACTS, converted_bert, "CPU", options)
        assert model.precision == precision
        answer = model.run(inputs())["last_hidden_state"]
        np.testing.assert_array_equal(answer, found.setdefault(precision, answer))
    assert 0 < np.abs(found["bf16"] - found["fp32"]).max() < 0.1


def test_threads_are_those_asked_for(converted_bert: Path) -> None:
    assert engine._configuration("CPU", "fp32", LoadOptions(threads=1))["INFERENCE_NUM_THREADS"] == 1
    assert "INFERENCE_NUM_THREADS" not in engine._configuration("GPU", "fp32", LoadOptions(threads=1))


def test_it_is_a_converter() -> None:
    backend = OpenVinoBackend()
    assert isinstance(backend, Converter)
    (made,) = (c for c in backend.conversions() if c.automatic)
    assert (made.format, made.precision) == ("openvino", "fp32")
    assert made.engine_version == f"{version('openvino')}+{engine.RECIPE}"


def test_serving_imports_neither_torch_nor_transformers_nor_telemetry(converted_bert: Path) -> None:
    program = f"""
import json, sys
from importlib.metadata import version
from pathlib import Path
from panope_backends.api import LoadOptions, ModelFacts
from panope_backends.plugins import load_backend
facts, folder = ModelFacts("a/b", "openvino"), Path({str(converted_bert)!r})
model = load_backend("openvino").load(facts, folder, "CPU", LoadOptions())
print(json.dumps([name for name, module in sys.modules.items() if module is not None]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, env=dict(os.environ))
    top = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert "openvino" in top
    assert top.isdisjoint({"torch", "transformers", "openvino_telemetry", "onnxruntime", "pytest"})


def test_model_types_that_numpy_lacks_are_refused_by_name(tmp_path: Path) -> None:
    openvino, _ = import_converter()
    from openvino import opset13 as ops

    tensor = ops.parameter([-1, 2], dtype=openvino.Type.bf16, name="strange")
    openvino.save_model(openvino.Model([ops.result(tensor)], [tensor]), tmp_path / "openvino_model.xml")
    with pytest.raises(PreconditionError, match="`strange` is of a type that NumPy lacks: bf16"):
        OpenVinoBackend().load(FACTS, tmp_path, "CPU", LoadOptions(precision="fp32"))


def test_tensors_without_names_are_called_by_their_nodes(tmp_path: Path) -> None:
    openvino, _ = import_converter()
    from openvino import opset13 as ops

    tensor = ops.parameter([-1, 2], dtype=openvino.Type.f32, name="given")
    doubled = ops.add(tensor, tensor, name="doubled")
    openvino.save_model(openvino.Model([ops.result(doubled)], [tensor]), tmp_path / "openvino_model.xml")
    model = OpenVinoBackend().load(FACTS, tmp_path, "CPU", LoadOptions(precision="fp32"))
    found = model.run({model.inputs[0].name: np.ones((3, 2), np.float32)})
    np.testing.assert_array_equal(found[model.outputs[0].name], np.full((3, 2), 2.0))
