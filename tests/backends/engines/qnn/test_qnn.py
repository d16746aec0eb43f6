"""Qualcomm's NPU by its emulator: the suites, agreement with the processor on the same graph, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panope_backends.api import Backend, Converter, Device, Level, LoadOptions, ModelFacts, TensorModel
from panope_backends.engines.qnn.backend import HTP, QnnBackend
from panope_backends.engines.qnn.files import GRAPH, read_description
from panope_backends.engines.qnn.library import Here
from panope_backends.engines.torch import CpuBackend
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.testing import ConverterContract, TensorModelContract
from panope_backends.testing.models import tiny_onnx, tiny_transformer

MISSING = Here.now().missing()[0]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"qnn does not run here: {MISSING}")

Array = np.ndarray[Any, Any]


def converted(folder: Path, out: Path, precision: str, facts: ModelFacts) -> ModelFacts:
    """The model in QNN's format, in `out`."""
    out.mkdir(exist_ok=True)
    backend = QnnBackend()
    made = next(c for c in backend.conversions() if c.precision == precision and c.reads(facts.format))
    backend.convert(facts, made, folder, out)
    return replace(facts, format="qnn")


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelFacts, Path, ModelFacts, Path]:
    """A tiny transformer, and what was made of it."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("out")
    facts = tiny_transformer(source)
    return facts, source, converted(source, out, "w8a16", facts), out


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelFacts, Path]:
    """What was made of a graph of token vectors."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("out")
    return converted(source, out, "w8a16", tiny_onnx(source)), out


class TestQnn(TensorModelContract):
    @pytest.fixture
    def backend(self) -> Backend:
        return QnnBackend()

    @pytest.fixture
    def model(self, vectors: tuple[ModelFacts, Path]) -> ModelFacts:
        return vectors[0]

    @pytest.fixture
    def folder(self, vectors: tuple[ModelFacts, Path]) -> Path:
        return vectors[1]


class TestQnnConverts(ConverterContract):
    @pytest.fixture
    def converter(self) -> Converter:
        return QnnBackend()

    @pytest.fixture
    def model(self, tmp_path: Path) -> ModelFacts:
        return tiny_onnx(tmp_path)


def arrays(model: Any, ids: Array, mask: Array) -> dict[str, Array]:
    every = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    return {spec.name: every[spec.name] for spec in model.inputs}


def cosine(one: Array, other: Array) -> float:
    one, other = one.ravel().astype(np.float64), other.ravel().astype(np.float64)
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


@pytest.mark.slow  # PyTorch's exporter takes its time
def test_a_transformer_computes_what_torch_computes_whatever_is_beside_a_text(
    texts: tuple[ModelFacts, Path, ModelFacts, Path], tmp_path: Path
) -> None:
    facts, source, made, out = texts
    original = CpuBackend().load(facts, source, "CPU", LoadOptions(precision="fp32"))
    model = QnnBackend().load(made, out, HTP, LoadOptions(cache_folder=tmp_path))
    assert model.precision == "int16"
    ids = np.random.default_rng(0).integers(3, 90, (3, 11))
    mask = np.ones_like(ids)
    mask[1, 5:] = 0
    expected = original.run(arrays(model, ids, mask))["last_hidden_state"]
    found = model.run(arrays(model, ids, mask))["last_hidden_state"]
    real = mask.astype(bool)
    assert cosine(found[real], expected[real]) > 0.999
    alone = model.run(arrays(model, ids[1:2, :5], mask[1:2, :5]))["last_hidden_state"]
    np.testing.assert_array_equal(alone[0], found[1, :5])


def test_the_compiled_graph_is_kept_and_compiled_anew_where_it_is_damaged(
    vectors: tuple[ModelFacts, Path], tmp_path: Path
) -> None:
    made, out = vectors
    ids = np.arange(12).reshape(1, 12)
    results, files = [], []
    for _ in range(3):
        model = QnnBackend().load(made, out, HTP, LoadOptions(cache_folder=tmp_path))
        results.append(model.run(arrays(model, ids, np.ones_like(ids)))["last_hidden_state"])
        (kept,) = tmp_path.iterdir()
        model.close()
        files.append((kept.name, kept.stat().st_mtime_ns))
        if len(files) == 2:
            kept.write_bytes(kept.read_bytes()[:-1])
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])
    assert files[0] == files[1] != files[2]


def test_texts_longer_than_the_graph_are_refused_with_its_length(vectors: tuple[ModelFacts, Path]) -> None:
    made, out = vectors
    model = QnnBackend().load(made, out, HTP, LoadOptions())
    assert isinstance(model, TensorModel)
    assert model.max_tokens == 128
    ids = np.ones((1, 129), np.int64)
    with pytest.raises(InvalidInputError, match="texts may have 128 tokens"):
        model.run(arrays(model, ids, ids))


def integers_graph(folder: Path) -> None:
    """A quantized graph whose scales are powers of two and whose results need no rounding."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    constants = {
        "weights": random.integers(-2, 3, (8, 4, 3, 3)).astype(np.int8),
        "one": np.array(1.0, np.float32),
        "middle": np.array(128, np.uint8),
        "zero": np.array(0, np.int8),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["pixels", "one", "middle"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "one", "middle"], ["x"]),
        helper.make_node("DequantizeLinear", ["weights", "one", "zero"], ["w"]),
        helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("QuantizeLinear", ["y", "one", "middle"], ["yq"]),
        helper.make_node("DequantizeLinear", ["yq", "one", "middle"], ["features"]),
    ]
    graph = helper.make_graph(
        nodes,
        "integers",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [1, 4, 8, 8])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [1, 8, 8, 8])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder / GRAPH)


def on_processor(file: Path, feed: dict[str, Array]) -> Array:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    result: Array = session.run(None, feed)[0]
    return result


def on_emulator(file: Path, feed: dict[str, Array]) -> Array:
    from panope_backends.engines.qnn.library import registered, session_options

    runtime = registered()
    options = session_options(runtime)
    session = runtime.InferenceSession(file, options)
    assert "QNNExecutionProvider" in session.get_providers()
    result: Array = session.run(None, feed)[0]
    return result


def test_where_nothing_is_rounded_the_emulator_is_bit_equal_to_the_processor(tmp_path: Path) -> None:
    integers_graph(tmp_path)
    for seed in range(4):
        pixels = np.random.default_rng(seed).integers(-2, 3, (1, 4, 8, 8)).astype(np.float32)
        found = on_emulator(tmp_path / GRAPH, {"pixels": pixels})
        expected = on_processor(tmp_path / GRAPH, {"pixels": pixels})
        assert np.ptp(expected) > 50
        np.testing.assert_array_equal(found, expected)


def test_where_a_value_is_rounded_the_emulator_is_within_a_step_of_the_processor(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Qualcomm rounds halves up and scales by fixed-point numbers, the processor halves to even, and by floats."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("out")
    image_graph(source / "model.onnx")
    facts = ModelFacts("test/image", "onnx")
    converted(source, out, "w8a8", facts)
    feed = {"pixels": np.random.default_rng(1).standard_normal((1, 4, 8, 8)).astype(np.float32)}
    found, expected = on_emulator(out / GRAPH, feed), on_processor(out / GRAPH, feed)
    step = np.diff(np.unique(expected)).min()
    difference = np.abs(found - expected) / step
    assert difference.max() < 1.01
    assert (difference > 0.5).mean() < 0.2


def image_graph(file: Path) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = np.random.default_rng(0).standard_normal((8, 4, 3, 3)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["pixels", "weights"], ["features"], kernel_shape=[3, 3], pads=[1, 1, 1, 1])],
        "image",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 4, 8, 8])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", 8, 8, 8])],
        [numpy_helper.from_array(weights, "weights")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), file)


def test_a_graph_of_images_runs_row_by_row(tmp_path_factory: pytest.TempPathFactory) -> None:
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("out")
    image_graph(source / "model.onnx")
    made = converted(source, out, "w8a16", ModelFacts("test/image", "onnx"))
    assert read_description(out).inputs[0].shape == (-1, 4, 8, 8)
    pixels = np.random.default_rng(0).standard_normal((3, 4, 8, 8)).astype(np.float32)
    found = QnnBackend().load(made, out, HTP, LoadOptions()).run({"pixels": pixels})["features"]
    original = CpuBackend().load(ModelFacts("test/image", "onnx"), source, "CPU", LoadOptions())
    assert cosine(found, original.run({"pixels": pixels})["features"]) > 0.999


def test_examples_of_the_models_own_decide_on_scales(tmp_path_factory: pytest.TempPathFactory) -> None:
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("out")
    image_graph(source / "model.onnx")
    np.savez(source / "calibration.npz", pixels=np.full((2, 4, 8, 8), 100.0, np.float32))
    made = converted(source, out, "w8a16", ModelFacts("test/image", "onnx"))
    loud = np.full((1, 4, 8, 8), 90.0, np.float32)
    found = QnnBackend().load(made, out, HTP, LoadOptions()).run({"pixels": loud})["features"]
    original = CpuBackend().load(ModelFacts("test/image", "onnx"), source, "CPU", LoadOptions())
    assert cosine(found, original.run({"pixels": loud})["features"]) > 0.999
    np.savez(source / "calibration.npz", others=np.zeros(1))
    with pytest.raises(PreconditionError, match="does not hold the model's inputs: `pixels`"):
        converted(source, source / "again", "w8a16", ModelFacts("test/image", "onnx"))


def test_what_is_not_converted_says_why(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    free = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, "rows", 8]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "free", free[:1], free[1:])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "model.onnx"
    )
    with pytest.raises(PreconditionError, match="needs fixed lengths, and `x` may have any"):
        converted(tmp_path, tmp_path / "out", "w8a16", ModelFacts("a/b", "onnx"))


def test_it_runs_its_own_format_alone_and_no_decoders() -> None:
    device = Device("qnn", HTP, is_emulated=True)
    levels = {
        model: QnnBackend().supports(ModelFacts("a/b", *model), device).level
        for model in (("qnn", "embed"), ("safetensors", "embed"), ("safetensors", "generate"))
    }
    assert list(levels.values()) == [Level.FULL, Level.NONE, Level.NONE]
    assert QnnBackend().supports(ModelFacts("a/b", "safetensors", "generate"), device).is_final
    assert not any(conversion.automatic for conversion in QnnBackend().conversions())
