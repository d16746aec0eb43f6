"""Headers of weights files: exact facts of good ones, clear refusals of broken and hostile ones."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from panope_backends.errors import InvalidInputError
from panope_registry.inspect.headers.gguf import read_gguf
from panope_registry.inspect.headers.onnx import read_onnx
from panope_registry.inspect.headers.openvino import read_openvino
from panope_registry.inspect.headers.safetensors import read_safetensors

Safetensors = Callable[..., bytes]
TWO = {"a": ("BF16", [3, 5]), "b": ("F32", [2])}


def _file(folder: Path, data: bytes) -> Path:
    file = folder / "weights"
    file.write_bytes(data)
    return file


def test_safetensors_are_counted_by_type(tmp_path: Path, safetensors: Safetensors) -> None:
    facts = read_safetensors(_file(tmp_path, safetensors(TWO | {"ids": ("I64", [512])})), "w")
    assert facts.elements == {"bf16": 15, "fp32": 2, "int64": 512}
    assert (facts.parameter_count, facts.precision) == (17, "bf16")


def test_safetensors_written_by_the_library_are_read(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"x": np.zeros((2, 3), np.float16), "empty": np.zeros((0, 3), np.float32)}, tmp_path / "w")
    assert read_safetensors(tmp_path / "w", "w").elements == {"fp16": 6, "fp32": 0}


@pytest.mark.parametrize("cut", [0, 4, 8, 20, -1])
def test_a_truncated_safetensors_file_is_refused(tmp_path: Path, safetensors: Safetensors, cut: int) -> None:
    with pytest.raises(InvalidInputError, match="`w` is broken"):
        read_safetensors(_file(tmp_path, safetensors(TWO)[:cut]), "w")


def test_bytes_after_the_tensors_are_refused(tmp_path: Path, safetensors: Safetensors) -> None:
    with pytest.raises(InvalidInputError, match="truncated or padded"):
        read_safetensors(_file(tmp_path, safetensors(TWO) + b"x"), "w")


@pytest.mark.parametrize("length", [0, 1, 2**25 + 1, 2**63, 2**64 - 1])
def test_a_hostile_header_length_is_refused_unread(tmp_path: Path, length: int) -> None:
    with pytest.raises(InvalidInputError, match="broken"):
        read_safetensors(_file(tmp_path, struct.pack("<Q", length) + b"{}" * 100), "w")


@pytest.mark.parametrize(
    "header",
    [
        [],
        {"a": 1},
        {"a": {"dtype": "F32"}},
        {"a": {"dtype": "NOPE", "shape": [1], "data_offsets": [0, 4]}},
        {"a": {"dtype": ["F32"], "shape": [1], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [True], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [1.0], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [1] * 40, "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}},
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4, 8]}},
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}},
    ],
)
def test_a_header_that_describes_tensors_wrongly_is_refused(
    tmp_path: Path, safetensors: Safetensors, header: object
) -> None:
    with pytest.raises(InvalidInputError, match="broken"):
        read_safetensors(_file(tmp_path, safetensors({"a": ("F32", [1])}, header=header)), "w")


def test_tensors_that_share_bytes_are_refused(tmp_path: Path, safetensors: Safetensors) -> None:
    same = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    with pytest.raises(InvalidInputError, match="overlap"):
        read_safetensors(_file(tmp_path, safetensors({"a": ("F32", [1])}, header={"a": same, "b": same})), "w")


def _gguf(keys: list[bytes], tensors: list[bytes], *, version: int = 3, counts: tuple[int, int] | None = None) -> bytes:
    tensor_count, key_count = counts or (len(tensors), len(keys))
    return b"GGUF" + struct.pack("<IQQ", version, tensor_count, key_count) + b"".join(keys + tensors)


def _text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def _text_key(name: str, value: str) -> bytes:
    return _text(name) + struct.pack("<I", 8) + _text(value)


def _tensor(name: str, shape: list[int], kind: int) -> bytes:
    return _text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, 0)


def test_gguf_tells_architecture_and_types(tmp_path: Path) -> None:
    words = _text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 2) + _text("a") + _text("b")
    scores = _text("tokenizer.ggml.scores") + struct.pack("<IIQ2f", 9, 6, 2, 0.5, 1.5)
    file_type = _text("general.file_type") + struct.pack("<II", 4, 15)
    keys = [_text_key("general.architecture", "llama"), words, scores, file_type]
    data = _gguf(keys, [_tensor("x", [4, 8], 12), _tensor("norm", [8], 0)])
    facts = read_gguf(_file(tmp_path, data), "w")
    assert facts.architecture == "llama"
    assert facts.elements == {"q4_k": 32, "fp32": 8}
    assert facts.metadata["general.file_type"] == "15"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GGUF",
        b"GGML" + bytes(100),
        _gguf([], [], version=1),
        _gguf([], [], counts=(2**40, 0)),
        _gguf([], [], counts=(0, 2**60)),
        _gguf([struct.pack("<Q", 2**62)], []),
        _gguf([_text("k") + struct.pack("<I", 99)], []),
        _gguf([_text("k") + struct.pack("<IIQ", 9, 10, 2**26)], []),
        _gguf([_text("k") + struct.pack("<IIQ", 9, 8, 2**23) + bytes(64)], []),
        _gguf([_text("k") + struct.pack("<IIQ", 9, 9, 3) + struct.pack("<IQ", 8, 2**21) * 3], []),
        _gguf([_text("k") + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 50], []),
        _gguf([], [_text("t") + struct.pack("<I", 1000)]),
    ],
)
def test_hostile_gguf_headers_are_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(InvalidInputError, match="`w` is broken"):
        read_gguf(_file(tmp_path, data), "w")


def _onnx_model(external: str = "") -> bytes:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = [
        numpy_helper.from_array(np.ones((2, 3), np.float32), "w"),
        numpy_helper.from_array(np.ones((5,), np.int64), "shape"),
        numpy_helper.from_array(np.ones((7, 1), np.float16), "half"),
    ]
    if external:
        weights[0].ClearField("raw_data")
        weights[0].data_location = TensorProto.EXTERNAL
        for key, value in (("location", external), ("offset", "0"), ("length", "24")):
            entry = weights[0].external_data.add()
            entry.key, entry.value = key, value
    node = helper.make_node("Identity", ["x"], ["y"])
    sides = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    graph = helper.make_graph([node], "g", sides[:1], sides[1:], weights)
    model: onnx.ModelProto = helper.make_model(graph)
    return bytes(model.SerializeToString())


def test_onnx_initialisers_are_counted_by_type(tmp_path: Path) -> None:
    facts, outside = read_onnx(_file(tmp_path, _onnx_model()), "w")
    assert facts.elements == {"fp32": 6, "int64": 5, "fp16": 7}
    assert outside == frozenset()


def test_onnx_names_the_files_of_its_external_data(tmp_path: Path) -> None:
    facts, outside = read_onnx(_file(tmp_path, _onnx_model("model.onnx_data")), "w")
    assert facts.elements["fp32"] == 6
    assert outside == {"model.onnx_data"}


@pytest.mark.parametrize("location", ["../../etc/passwd", "/etc/passwd", "a\\b", ""])
def test_external_data_outside_of_the_model_is_refused(tmp_path: Path, location: str) -> None:
    data = _onnx_model("x" * max(len(location), 1)).replace(b"x" * max(len(location), 1), location.encode() or b"\x00")
    with pytest.raises(InvalidInputError):
        read_onnx(_file(tmp_path, data), "w")


@given(cut=st.integers(0, 200), flips=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=4))
def test_damaged_onnx_files_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, cut: int, flips: list[tuple[int, int]]
) -> None:
    data = bytearray(_onnx_model())[: max(0, len(_onnx_model()) - cut)]
    for place, value in flips:
        if data:
            data[place % len(data)] = value
    file = _file(tmp_path_factory.mktemp("onnx"), bytes(data))
    with contextlib.suppress(InvalidInputError):  # the one error that may come
        facts, _ = read_onnx(file, "w")
        assert facts.parameter_count >= 0


@given(st.binary(max_size=300))
def test_noise_is_no_model_of_any_format(tmp_path_factory: pytest.TempPathFactory, noise: bytes) -> None:
    file = _file(tmp_path_factory.mktemp("noise"), noise)
    for read in (read_safetensors, read_gguf, lambda f, p: read_openvino(f, p, 100)):
        with pytest.raises(InvalidInputError):
            read(file, "w")


IR = """<?xml version="1.0"?><net name="m" version="11"><layers>
<layer id="0" name="x" type="Parameter"><data shape="?,4" element_type="i64"/></layer>
<layer id="1" name="w" type="Const"><data element_type="f16" shape="4, 8" offset="0" size="64"/></layer>
<layer id="2" name="q" type="Const"><data element_type="u8" shape="3" offset="64" size="3"/></layer>
</layers></net>"""


def test_openvino_constants_are_counted_by_type(tmp_path: Path) -> None:
    facts = read_openvino(_file(tmp_path, IR.encode()), "w", 67)
    assert facts.elements == {"fp16": 32, "int8": 3}


def test_an_ir_whose_weights_are_truncated_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"need 67 bytes and its \.bin has 66"):
        read_openvino(_file(tmp_path, IR.encode()), "w", 66)


def test_entities_are_refused_before_they_expand(tmp_path: Path) -> None:
    laughs = '<!DOCTYPE net [<!ENTITY a "ha">' + "".join(
        f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(20)
    )
    with pytest.raises(InvalidInputError, match="document type"):
        read_openvino(_file(tmp_path, f"{laughs}]><net>&t;</net>".encode()), "w", 0)


@pytest.mark.parametrize("shape", ["-1", "x", "9" * 5000, ",".join("1" * 100)])
def test_impossible_shapes_are_refused(tmp_path: Path, shape: str) -> None:
    with pytest.raises(InvalidInputError, match="broken"):
        read_openvino(_file(tmp_path, IR.replace("4, 8", shape).encode()), "w", 67)


def test_a_json_header_may_not_be_nested_without_end(tmp_path: Path) -> None:
    deep = b'{"a":' * 100_000
    with pytest.raises(InvalidInputError, match="not valid JSON"):
        read_safetensors(_file(tmp_path, struct.pack("<Q", len(deep)) + deep), "w")
