"""Values past the weights' tables are refused before anything runs, whatever the engine would make of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from panope.worker.v1 import embed_pb2, tensors_pb2
from panope.worker.v1 import worker_pb2 as wire
from panope_backends.api import TensorModel, TensorSpec
from panope_backends.errors import InvalidInputError
from panope_backends.tasks.tensors.values import check_values


class Model(TensorModel):
    """An encoder with 100 tokens, 2 token types and 64 positions."""

    inputs = tuple(TensorSpec(name, "int64", (-1, -1)) for name in ("input_ids", "token_type_ids"))
    outputs = ()
    precision = "fp32"
    index_limits: ClassVar = {"input_ids": 100, "token_type_ids": 2, "buckets": 8}
    max_tokens = 64

    def run(self, *_: object) -> dict[str, np.ndarray]:
        raise AssertionError("nothing may run")


def check(**arrays: object) -> None:
    check_values({name: np.array(values) for name, values in arrays.items()}, Model())


@pytest.mark.parametrize(
    ("arrays", "field", "message"),
    [
        (
            {"input_ids": [[1, 100]]},
            "inputs[input_ids]",
            "`inputs[input_ids]` has the value 100; the model takes 0 to 99",
        ),
        (
            {"input_ids": [[-1, 5]]},
            "inputs[input_ids]",
            "`inputs[input_ids]` has the value -1; the model takes 0 to 99",
        ),
        (
            {"input_ids": [[1]], "token_type_ids": [[2]]},
            "inputs[token_type_ids]",
            "`inputs[token_type_ids]` has the value 2; the model takes 0 to 1",
        ),
        (
            {"buckets": [[1 << 40]]},
            "inputs[buckets]",
            "`inputs[buckets]` has the value 1,099,511,627,776; the model takes 0 to 7",
        ),
        (
            {"decoder_input_ids": [[-7]]},
            "inputs[decoder_input_ids]",
            "`inputs[decoder_input_ids]` has the value -7; the model takes 0",
        ),
        (
            {"input_ids": [[1] * 65]},
            "inputs[input_ids]",
            "`inputs[input_ids]` has texts of 65 tokens; the model takes at most 64",
        ),
    ],
)
def test_a_value_outside_a_table_is_refused_by_name_with_the_limit(
    arrays: dict[str, object], field: str, message: str
) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        check(**arrays)
    assert (refusal.value.field, refusal.value.message) == (field, message)


def test_values_at_the_edges_and_those_that_no_table_is_known_for_pass() -> None:
    check(input_ids=[[0, 99] * 32], token_type_ids=[[0, 1] * 32])
    check(offsets=[[-5, 1 << 40]], weights=[[-1.5]])
    # With positions of the caller's own, their values are what counts.
    check(input_ids=[[1] * 65], position_ids=[[0] * 65])


@pytest.fixture
def gapped_model(word_model: Path, tmp_path: Path) -> Path:
    """The word model, whose tokenizer gives an id that the weights have no row for, and a padding token too."""
    folder = tmp_path / "gapped"
    shutil.copytree(word_model, folder)
    document = json.loads((folder / "tokenizer.json").read_text())
    document["model"]["vocab"] |= {"far": 5000, "[FAR PAD]": 5001}
    (folder / "tokenizer.json").write_text(json.dumps(document))
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"pad_token": "[FAR PAD]"}))
    return folder


TABLE = "worker_doubles:TableBackend"


def test_an_id_past_the_table_is_refused_as_given_as_tokenised_and_as_a_tensor(
    start: Callable[..., tuple], gapped_model: Path, message_of: Callable[[wire.Failure], str]
) -> None:
    worker, _ = start(TABLE, folder=str(gapped_model))
    rows = json.loads((gapped_model / "config.json").read_text())["vocab_size"]
    worker.embed("w1", "w2 far")
    failure = worker.receive().failure
    assert (failure.reason, failure.field) == ("invalid_input", "texts[1]")
    assert message_of(failure) == f"`texts[1]` has the id 5,000; the model's vocabulary ends at {rows - 1:,}"
    worker.request("embed", embed_pb2.EmbedInput(truncation="refuse", token_sequences=[{"ids": [1, rows]}]))
    assert worker.receive().failure.field == "token_sequences[0]"
    ids, mask = np.array([[1, rows]], "<i8"), np.ones((1, 2), "<i8")
    work = tensors_pb2.TensorInput()
    for name, array in (("input_ids", ids), ("attention_mask", mask)):
        work.inputs.add(name=name, dtype="int64", shape=array.shape, data=array.tobytes())
    assert worker.ask("tensors", work).failure.field == "inputs[input_ids]"


@pytest.mark.slow
def test_texts_are_padded_with_an_id_that_the_table_has(
    start: Callable[..., tuple], gapped_model: Path, vectors: Callable, expected: Callable
) -> None:
    worker, _ = start(TABLE, folder=str(gapped_model), batch_wait_microseconds=30_000_000, max_batch_size=2)
    worker.embed("w1", "w2 w3 w4")
    found = vectors(worker.receive())
    np.testing.assert_allclose(found, [expected("w1"), expected("w2 w3 w4")], atol=1e-6)


def test_a_model_says_that_it_takes_no_more_tokens_than_its_weights_have_positions(
    start: Callable[..., tuple], word_model: Path
) -> None:
    _, ready = start(TABLE, folder=str(word_model))
    assert ready.facts.max_tokens == 60
