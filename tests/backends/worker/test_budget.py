"""What one run may take: tensors of more are refused by name, batches are cut to it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from panope.worker.v1 import tensors_pb2
from panope_backends.api import TensorModel, TensorSpec
from panope_backends.errors import InvalidInputError
from panope_backends.worker.budget import Budget, budget_of

MINILM = {"hidden_size": 384, "intermediate_size": 1536, "num_attention_heads": 12}
GIB = 1 << 30


class Model(TensorModel):
    """An encoder that also gives logits over a large vocabulary."""

    inputs = tuple(TensorSpec(name, "int64", (-1, -1)) for name in ("input_ids", "attention_mask"))
    outputs = (
        TensorSpec("last_hidden_state", "float32", (-1, -1, 384)),
        TensorSpec("logits", "float32", (-1, -1, 250_000)),
    )
    precision = "fp32"

    def run(self, *_: object) -> dict[str, np.ndarray]:
        raise AssertionError("nothing may run")


def check(budget: Budget, *shape: int, outputs: tuple[str, ...] = ("last_hidden_state",)) -> None:
    array = np.zeros(shape, np.int64)
    budget.check({"input_ids": array, "attention_mask": array}, Model(), outputs)


def test_tensors_of_more_tokens_than_one_batch_are_refused_by_the_settings_name() -> None:
    budget = budget_of(MINILM, max_tokens=16384, max_bytes=2 * GIB)
    check(budget, 32, 512)
    with pytest.raises(InvalidInputError) as refusal:
        check(budget, 300, 512)
    assert refusal.value.field == "inputs[input_ids]"
    assert refusal.value.message == (
        "`inputs[input_ids]` has 300 texts of 512 tokens, 153,600 tokens; `workers.max_batch_tokens` is 16,384, "
        "so give at most 32 such texts"
    )


def test_tensors_of_more_memory_than_one_run_may_take_are_refused_by_the_settings_name() -> None:
    budget = budget_of(MINILM, max_tokens=1 << 20, max_bytes=2 * GIB)
    with pytest.raises(InvalidInputError, match=r"bytes of memory to run; `workers\.max_batch_bytes` is 2,147,483,648"):
        check(budget, 300, 512)


def test_one_text_is_run_whatever_it_takes() -> None:
    budget = budget_of(MINILM, max_tokens=128, max_bytes=1)
    check(budget, 1, 512)
    assert budget.texts(512) == 1


def test_texts_run_together_by_the_smaller_of_both_limits() -> None:
    budget = budget_of(MINILM, max_tokens=16384, max_bytes=GIB)
    assert budget.texts(8) == 2048
    # Attention's scores grow with the square of the length.
    assert budget.texts(8192) == 1
    assert budget_of(MINILM, max_tokens=16384, max_bytes=0).texts(4096) == 4
    assert budget_of({}, max_tokens=16384, max_bytes=1).texts(4096) == 4, "nothing is known of its memory"


@pytest.mark.parametrize(
    "config", [{"hidden_size": "wide"}, {"hidden_size": -1}, {"hidden_size": 1 << 40}, {"n_embd": None}]
)
def test_a_configuration_without_sense_tells_nothing(config: dict[str, object]) -> None:
    assert budget_of(config, max_tokens=8, max_bytes=1) == Budget(8, 1)


def test_an_answer_that_is_too_long_to_send_is_refused_before_it_is_computed() -> None:
    budget = budget_of(MINILM, max_tokens=16384, max_bytes=0)
    with pytest.raises(InvalidInputError, match="the answer would have about 500,000,000 bytes"):
        check(budget, 1, 500, outputs=("logits",))
    with pytest.raises(InvalidInputError, match="the answer would have"):
        check(budget, 1, 500, outputs=())
    check(budget, 1, 500)


def test_a_worker_refuses_the_call_and_answers_the_next(start: Callable[..., tuple]) -> None:
    worker, _ = start(max_batch_tokens=256)
    ids = np.ones((300, 60), "<i8")
    work = tensors_pb2.TensorInput()
    for name in ("input_ids", "attention_mask"):
        work.inputs.add(name=name, dtype="int64", shape=ids.shape, data=ids.tobytes())
    refused = worker.ask("tensors", work).failure
    assert (refused.reason, refused.field) == ("invalid_input", "inputs[input_ids]")
    worker.embed("w1")
    assert worker.receive().kind == "embed"
