"""What is told of graphs when they are imported: whether they embed, in which precision, and which comes first."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panope_backends.errors import PreconditionError
from panope_backends.testing.graphs import WIDTH, text_graph
from panope_backends.testing.models import VOCABULARY
from panope_registry.ingest.folder import list_folder
from panope_registry.inspect.file_kinds import FileKind
from panope_registry.inspect.headers.onnx import read_onnx
from panope_registry.inspect.inspect import Inspection, inspect_files
from panope_registry.job_handlers.requests import DownloadRequest
from panope_registry.job_handlers.variant_selection import choose_variant
from panope_registry.registry import Registry

MakeModel = Callable[..., Path]

CONFIG = {
    "architectures": ["BertModel"],
    "model_type": "bert",
    "hidden_size": WIDTH,
    "vocab_size": VOCABULARY,
}
TOKENS = {"last_hidden_state": "tokens"}
ONNX_ALONE = {"model.safetensors": None, "config.json": json.dumps(CONFIG)}


def _understand(folder: Path) -> Inspection:
    return inspect_files({file.path: file.source for file in list_folder(folder)})


@pytest.fixture
def with_graph(make_model: MakeModel) -> Callable[..., Path]:
    """A folder with a graph, and with safetensors too where `beside`."""

    def make(outputs: Mapping[str, str], *, beside: bool = False, **shape: Any) -> Path:
        folder = make_model(files={"config.json": json.dumps(CONFIG)} if beside else ONNX_ALONE)
        text_graph(folder / "model.onnx", outputs, **shape)
        return folder

    return make


@pytest.mark.parametrize(
    ("outputs", "shape", "told"),
    [
        ({"logits": "logits"}, {}, r"`logits` \[any, any, 97\]"),
        ({"output": "logits"}, {}, "`output`"),
        ({"last_hidden_state": "logits"}, {}, "`last_hidden_state`"),
        ({"pooler_output": "first"}, {}, "`pooler_output`"),
        (TOKENS, {"inputs": ("input_ids", "attention_mask", "past_key_values.0.key")}, "past_key_values"),
        (TOKENS, {"inputs": ("input_ids",), "length": 16}, "no attention_mask"),
    ],
)
def test_a_graph_that_embeds_nothing_is_refused_at_import_by_what_it_gives(
    with_graph: Callable[..., Path], outputs: Mapping[str, str], shape: Mapping[str, Any], told: str
) -> None:
    with pytest.raises(PreconditionError, match=r"`model\.onnx` cannot embed: .*" + told) as caught:
        _understand(with_graph(outputs, **shape))
    assert caught.value.reason == "unsupported_weights"


def test_it_is_left_out_beside_weights_that_embed_and_the_reason_is_told(with_graph: Callable[..., Path]) -> None:
    found = _understand(with_graph({"logits": "logits"}, beside=True))
    assert [weights.format for weights in found.weight_sets] == ["safetensors"]
    assert found.kinds["model.onnx"] is FileKind.OTHER
    assert "`model.onnx` cannot embed" in found.reasons["weights left out"]


@pytest.mark.parametrize(
    ("outputs", "shape"),
    [
        (TOKENS, {}),
        ({"output": "tokens"}, {}),
        ({"logits": "logits", "hidden": "tokens"}, {}),
        ({"sentence_embedding": "mean"}, {}),
        (TOKENS, {"batch": 1, "length": 16}),
    ],
)
def test_a_graph_that_embeds_is_taken(
    with_graph: Callable[..., Path], outputs: Mapping[str, str], shape: Mapping[str, Any]
) -> None:
    found = _understand(with_graph(outputs, **shape))
    assert [(weights.format, weights.precision) for weights in found.weight_sets] == [("onnx", "fp32")]


def test_a_graph_for_tensors_alone_may_give_anything(make_model: MakeModel) -> None:
    files = dict.fromkeys(("model.safetensors", "config.json", "modules.json"))
    folder = make_model(files=files | {"README.md": "x"})
    text_graph(folder / "model.onnx", {"logits": "logits"})
    assert (_understand(folder).task, len(_understand(folder).weight_sets)) == ("", 1)


IR = """<net name="m"><layers>
<layer id="0" name="input_ids" type="Parameter"><data shape="?,?" element_type="i64"/>
<output><port id="0" names="input_ids"><dim>-1</dim><dim>-1</dim></port></output></layer>
<layer id="1" name="table" type="Const"><data element_type="f32" shape="4" offset="0" size="16"/></layer>
<layer id="2" name="x" type="Gather"><output><port id="3"{names}><dim>-1</dim><dim>-1</dim><dim>{width}</dim></port>
</output></layer>
<layer id="3" name="result" type="Result"><input><port id="0"><dim>-1</dim><dim>-1</dim><dim>{width}</dim></port>
</input></layer></layers><edges><edge from-layer="2" from-port="3" to-layer="3" to-port="0"/></edges></net>"""


@pytest.mark.parametrize(
    ("names", "width", "embeds"),
    [
        (' names="last_hidden_state"', WIDTH, True),
        (' names="b,a"', WIDTH, True),
        ("", WIDTH, True),
        (' names="logits"', VOCABULARY, False),
        ("", VOCABULARY, False),
        (' names="last_hidden_state"', VOCABULARY, False),
    ],
)
def test_an_openvino_graph_is_judged_alike(make_model: MakeModel, names: str, width: int, embeds: bool) -> None:
    ir = IR.format(names=names, width=width)
    folder = make_model(files=ONNX_ALONE | {"openvino_model.xml": ir, "openvino_model.bin": bytes(16)})
    if embeds:
        assert [weights.format for weights in _understand(folder).weight_sets] == ["openvino"]
    else:
        with pytest.raises(PreconditionError, match=r"`openvino_model\.xml` cannot embed"):
            _understand(folder)


Node = tuple[str, str, Mapping[str, int]]
"""An operator, the weights that it takes, its attributes."""

Tensor = tuple[int, Sequence[int]]
"""ONNX's type and the shape."""


def _weights(file: Path, nodes: Sequence[Node], tensors: Mapping[str, Tensor]) -> None:
    """Writes a graph that is only read."""
    from onnx import TensorProto, helper, save

    made = [
        helper.make_node(operator, ["x", weight], [f"y{number}"], **attributes)
        for number, (operator, weight, attributes) in enumerate(nodes)
    ]
    initializers = []
    for name, (kind, shape) in tensors.items():
        size = int(np.prod(shape)) * {TensorProto.FLOAT: 4, TensorProto.FLOAT16: 2}.get(kind, 1)
        size = (int(np.prod(shape)) + 1) // 2 if kind in (TensorProto.INT4, TensorProto.UINT4) else size
        initializers.append(helper.make_tensor(name, kind, shape, bytes(size), raw=True))
    value = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", "t"])]
    save(helper.make_model(helper.make_graph(made, "g", value, value, initializers)), file)


FLOAT, UINT8, INT8, FLOAT16, UINT4 = 1, 2, 3, 10, 21


@pytest.mark.parametrize(
    ("nodes", "tensors", "precision", "parameters"),
    [
        # Packed weights are bytes, fewer than the words in floating point beside them.
        ([("MatMulNBits", "w", {"bits": 4})], {"w": (UINT8, (8, 2, 8)), "t": (FLOAT, (99, 32))}, "int4", 256 + 3168),
        ([("MatMulNBits", "w", {"bits": 8})], {"w": (UINT8, (8, 2, 16))}, "int8", 256),
        ([("MatMulNBits", "w", {"K": 32})], {"w": (UINT8, (8, 2, 8))}, "int4", 256),
        ([("GatherBlockQuantized", "w", {"bits": 4})], {"w": (UINT8, (8, 16)), "h": (FLOAT16, (9, 9))}, "int4", 337),
        ([("MatMulInteger", "w", {})], {"w": (INT8, (8, 8)), "t": (FLOAT, (99, 32))}, "int8", 64 + 3168),
        ([("DequantizeLinear", "w", {})], {"w": (UINT4, (8, 8)), "t": (FLOAT, (99, 32))}, "int4", 64 + 3168),
        # What is quantized on the way, and holds no quantized weights, is none.
        ([("DequantizeLinear", "z", {})], {"z": (UINT8, ()), "t": (FLOAT, (9, 9))}, "fp32", 82),
        ([("MatMul", "w", {})], {"w": (FLOAT16, (8, 8)), "t": (FLOAT, (2, 2))}, "fp16", 68),
        ([("MatMul", "w", {})], {"w": (FLOAT, (2, 2)), "m": (INT8, (8, 8))}, "fp32", 68),
    ],
)
def test_a_precision_is_that_of_the_operators_weights(
    tmp_path: Path,
    nodes: Sequence[Node],
    tensors: Mapping[str, Tensor],
    precision: str,
    parameters: int,
) -> None:
    _weights(tmp_path / "m.onnx", nodes, tensors)
    facts, _ = read_onnx(tmp_path / "m.onnx", "m.onnx")
    assert (facts.precision, facts.parameter_count) == (precision, parameters)


def test_of_graphs_alike_the_one_with_the_plainer_name_comes_first(registry: Registry, make_model: MakeModel) -> None:
    folder = make_model(files=ONNX_ALONE)
    (folder / "onnx").mkdir()
    names = ("a_model_optimized", "model", "model_O2", "model_O1")
    for number, name in enumerate(names):
        text_graph(folder / f"onnx/{name}.onnx", {**TOKENS, f"more{number}": "first"})
    entry = registry.import_folder(folder, "v/m")
    chosen = choose_variant(entry, DownloadRequest("v/m"))
    outputs = [
        {spec.name for spec in read_onnx(registry.materialize(each.digest) / "model.onnx", "m")[0].graph.outputs}
        for each in sorted(entry.variants, key=lambda each: each.order)
    ]
    assert ["more1" in outputs[0], "more3" in outputs[1], "more2" in outputs[2], "more0" in outputs[3]] == [True] * 4
    assert chosen.order == 0
