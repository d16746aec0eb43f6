"""How far tables reach is read from the weights, and is what PyTorch itself finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panope_backends.api import LoadOptions, ModelFacts, TensorModel
from panope_backends.engines.openvino.backend import MODEL_FILE, OpenVinoBackend
from panope_backends.engines.openvino.runtime import import_converter
from panope_backends.engines.tables import PROBE_IDS, Lookup, Tables, probe_inputs, tables_of
from panope_backends.engines.torch import CpuBackend
from panope_backends.errors import InvalidInputError
from panope_backends.testing.models import VOCABULARY, tiny_transformer

OPTIONS = LoadOptions(precision="fp32")

#: Of 64 rows of positions, by the model's own rule.
WITH_TABLES = [("roberta", {"pad_token_id": 1}, 62), ("gpt2", {}, 64)]
MORE = [
    ("bert", {}, 64),
    ("mpnet", {"pad_token_id": 1}, 62),
    ("distilbert", {}, 64),
    ("electra", {}, 64),
    ("opt", {}, 64),
    ("xlm-roberta", {"pad_token_id": 5}, 58),
    ("camembert", {"pad_token_id": 0}, 63),
    ("deberta-v2", {"position_biased_input": True}, 64),
]
WITHOUT = [
    ("deberta-v2", {"position_biased_input": False}),
    ("qwen2", {"num_key_value_heads": 4}),
    ("modernbert", {"pad_token_id": 3}),
]


def text(model: TensorModel, length: int, **ids: int) -> dict[str, np.ndarray[Any, Any]]:
    values = {"input_ids": 9, "attention_mask": 1, "token_type_ids": 0} | ids
    return {spec.name: np.full((1, length), values[spec.name], np.int64) for spec in model.inputs}


def converted(facts: ModelFacts, source: Path, out: Path) -> TensorModel:
    backend = OpenVinoBackend()
    (exact,) = (each for each in backend.conversions() if each.automatic)
    backend.convert(facts, exact, source, out)
    return backend.load(ModelFacts(facts.name, "openvino"), out, "CPU", OPTIONS)


@pytest.mark.parametrize(
    ("kind", "changes", "most"), [*WITH_TABLES, *(pytest.param(*each, marks=pytest.mark.slow) for each in MORE)]
)
def test_positions_end_where_pytorch_says_that_they_do_on_both_engines(
    tmp_path_factory: pytest.TempPathFactory, kind: str, changes: dict[str, Any], most: int
) -> None:
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("out")
    facts = tiny_transformer(source, kind, **changes)
    exact = CpuBackend().load(facts, source, "CPU", OPTIONS)
    assert (exact.max_tokens, exact.index_limits["input_ids"]) == (most, VOCABULARY)
    exact.run(text(exact, most))
    with pytest.raises(InvalidInputError):
        exact.run(text(exact, most + 1))
    made = converted(facts, source, out)
    assert (made.max_tokens, made.index_limits) == (exact.max_tokens, exact.index_limits)


@pytest.mark.parametrize(("kind", "changes"), [pytest.param(*each, marks=pytest.mark.slow) for each in WITHOUT])
def test_positions_that_no_table_holds_have_no_end(tmp_path: Path, kind: str, changes: dict[str, Any]) -> None:
    model = CpuBackend().load(tiny_transformer(tmp_path, kind, **changes), tmp_path, "CPU", OPTIONS)
    assert (model.max_tokens, model.index_limits["input_ids"]) == (0, VOCABULARY)
    assert np.isfinite(model.run(text(model, 200))["last_hidden_state"]).all()


@pytest.mark.parametrize("shape", [(1, 16), (3, 2), (-1, 16), (1, -1)])
def test_a_graph_of_fixed_shape_tells_its_tables_too(
    converted_bert: Path, tmp_path: Path, shape: tuple[int, int]
) -> None:
    openvino, _ = import_converter()
    graph = openvino.Core().read_model(converted_bert / MODEL_FILE)
    graph.reshape({port.get_any_name(): openvino.PartialShape(list(shape)) for port in graph.inputs})
    for number, port in enumerate(graph.inputs):
        port.get_tensor().add_names({str(number)})  # as tracing leaves them
    openvino.save_model(graph, tmp_path / MODEL_FILE, compress_to_fp16=False)
    model = OpenVinoBackend().load(ModelFacts("test/fixed", "openvino"), tmp_path, "CPU", OPTIONS)
    assert model.index_limits == {"input_ids": VOCABULARY, "token_type_ids": 2}


def test_a_table_shows_by_inputs_of_other_names_and_by_parts_that_cannot_run(tmp_path: Path) -> None:
    openvino, _ = import_converter()
    from openvino import opset13 as ops

    table = ops.constant(np.ones((50, 4), np.float32))
    codes = ops.parameter([-1, 3], dtype=openvino.Type.i32, name="codes")
    other = ops.parameter([-1, -1], dtype=openvino.Type.i64, name="input_ids")
    axis = ops.constant(np.int64(0))
    found = ops.gather(table, ops.convert(codes, "i64"), axis)
    # Its indices take no text of four tokens.
    odd = ops.gather(table, ops.reshape(other, ops.constant(np.array([5, 7])), special_zero=False), axis)
    graph = openvino.Model([ops.result(found), ops.result(odd)], [codes, other])
    openvino.save_model(graph, tmp_path / MODEL_FILE, compress_to_fp16=False)
    model = OpenVinoBackend().load(ModelFacts("test/codes", "openvino"), tmp_path, "CPU", OPTIONS)
    assert (model.index_limits, model.max_tokens) == ({"codes": 50}, 0)


@pytest.mark.slow
def test_a_model_that_pads_texts_itself_tells_its_tables_too(tmp_path: Path) -> None:
    facts = tiny_transformer(tmp_path, "longformer", pad_token_id=1, attention_window=8)
    model = CpuBackend().load(facts, tmp_path, "CPU", OPTIONS)
    assert (model.max_tokens, model.index_limits["input_ids"]) == (62, VOCABULARY)


def test_a_table_of_token_types_limits_them(tmp_path: Path) -> None:
    model = CpuBackend().load(tiny_transformer(tmp_path, type_vocab_size=3), tmp_path, "CPU", OPTIONS)
    assert model.index_limits["token_type_ids"] == 3


def test_a_vocabulary_smaller_than_the_probe_is_left_unknown_and_the_model_runs(tmp_path: Path) -> None:
    model = CpuBackend().load(tiny_transformer(tmp_path, vocab_size=6), tmp_path, "CPU", OPTIONS)
    assert model.index_limits == {}
    model.run(text(model, 3, input_ids=5))


def test_lookups_that_are_neither_the_inputs_nor_positions_tell_nothing() -> None:
    inputs = probe_inputs(("input_ids", "attention_mask"))
    ids, length = inputs["input_ids"], len(PROBE_IDS[0])
    buckets = np.arange(length)[None, :] - np.arange(length)[:, None] + length
    lookups = [Lookup(ids, 50), Lookup(ids, 40), Lookup(buckets, 32), Lookup(np.arange(length)[None] + 2, 66)]
    assert tables_of(lookups, inputs) == Tables({"input_ids": 40}, 64)
    assert tables_of([Lookup(buckets, 32), Lookup(ids[:, :2], 7)], inputs) == Tables()
