"""Axes that must have one length: what names and meanings say, and a comparison of engines over shapes at random."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from panope.worker.v1 import tensors_pb2
from panope_backends.api import LoadOptions, ModelFacts, TensorModel, TensorSpec
from panope_backends.engines.openvino.backend import OpenVinoBackend
from panope_backends.engines.torch import CpuBackend
from panope_backends.errors import InvalidInputError
from panope_backends.tasks.tensors.arrays import read_inputs
from panope_backends.tasks.tensors.axes import check_axes
from panope_backends.testing.models import tiny_onnx, tiny_transformer


def int64(name: str, *shape: int, axes: tuple[str, ...] = ()) -> TensorSpec:
    return TensorSpec(name, "int64", shape, axes)


IDS, MASK = int64("input_ids", -1, -1), int64("attention_mask", -1, -1)


def check(*given: tuple[TensorSpec, tuple[int, ...]]) -> None:
    check_axes({spec.name: np.zeros(shape, np.int64) for spec, shape in given}, [spec for spec, _ in given])


def test_a_mask_for_one_text_beside_ids_for_many_is_refused_by_name() -> None:
    with pytest.raises(InvalidInputError) as refusal:
        check((IDS, (64, 16)), (MASK, (1, 16)))
    assert refusal.value.field == "inputs[attention_mask]"
    assert refusal.value.message == (
        "`inputs[attention_mask]` has the shape [1, 16]; its axis 0 (batch) must have the length 64, "
        "as in `inputs[input_ids]`"
    )


@pytest.mark.parametrize(
    "given",
    [
        [(IDS, (2, 8)), (MASK, (2, 7))],
        [(IDS, (2, 8)), (int64("position_ids", -1, -1), (1, 8))],
        [(IDS, (2, 8)), (int64("bbox", -1, -1, 4), (2, 9, 4))],
        [(IDS, (2, 8)), (int64("pixels", -1, 3, -1), (1, 3, 8))],
        [(int64("x", -1, 4), (2, 4)), (int64("y", -1), (3,))],
        [(int64("x", -1, -1, axes=("n", "k")), (2, 4)), (int64("y", -1, axes=("k",)), (3,))],
        [(int64("x", -1, -1, axes=("n", "n")), (2, 4))],
        # Exporters that name each input's axes by itself change nothing of what they mean.
        [
            (int64("input_ids", -1, -1, axes=("input_ids_axis_0", "input_ids_axis_1")), (2, 4)),
            (int64("attention_mask", -1, -1, axes=("attention_mask_axis_0", "attention_mask_axis_1")), (1, 4)),
        ],
        [
            (int64("decoder_input_ids", -1, -1), (2, 4)),
            (int64("decoder_attention_mask", -1, -1), (2, 3)),
        ],
    ],
)
def test_axes_of_one_name_or_meaning_have_one_length(given: list) -> None:
    with pytest.raises(InvalidInputError, match="must have the length"):
        check(*given)


@pytest.mark.parametrize(
    "given",
    [
        [(IDS, (2, 8)), (MASK, (2, 8)), (int64("token_type_ids", -1, -1), (2, 8))],
        [(IDS, (2, 8)), (int64("pixels", -1, 3, -1, -1), (2, 3, 9, 7))],
        [(IDS, (2, 8)), (int64("decoder_input_ids", -1, -1), (2, 3))],
        # A mask covers what earlier calls have seen as well.
        [(IDS, (2, 1)), (MASK, (2, 9)), (int64("past_key_values.0.key", -1, 4, -1, 8), (2, 4, 8, 8))],
        [(int64("x", -1, axes=("points",)), (2,)), (int64("y", -1, axes=("queries",)), (3,))],
        [(int64("matrix", 2, -1), (2, 3)), (int64("flags", -1), (5,))],
    ],
)
def test_axes_of_other_names_and_meanings_are_free(given: list) -> None:
    check(*given)


def tensors(
    specs: list[TensorSpec], shapes: list[tuple[int, int]], odd: tuple[str, int] | None = None
) -> tensors_pb2.TensorInput:
    """Tensors of the shapes; with `odd`, one of them has that value at its end."""
    work = tensors_pb2.TensorInput()
    ids = np.random.default_rng(0)
    for spec, shape in zip(specs, shapes, strict=True):
        high = 90 if spec.name == "input_ids" else 2
        array = np.ones(shape, "<i8") if spec.name == "attention_mask" else ids.integers(0, high, shape)
        if odd is not None and spec.name == odd[0]:
            array[-1, -1] = odd[1]
        work.inputs.add(name=spec.name, dtype="int64", shape=shape, data=array.astype("<i8").tobytes())
    return work


def verdict(model: TensorModel, work: tensors_pb2.TensorInput) -> np.ndarray | str:
    """What a caller gets: the hidden states, or why not."""
    try:
        return model.run(read_inputs(work, model))["last_hidden_state"]
    except InvalidInputError as error:
        return error.message


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TensorModel, TensorModel]]:
    """One BERT on the cpu engine and on OpenVINO."""
    source, out = tmp_path_factory.mktemp("bert"), tmp_path_factory.mktemp("openvino")
    facts, backend = tiny_transformer(source), OpenVinoBackend()
    backend.convert(facts, backend.conversions()[0], source, out)
    options = LoadOptions(precision="fp32")
    exact = CpuBackend().load(facts, source, "CPU", options)
    made = backend.load(ModelFacts("test/bert", "openvino"), out, "CPU", options)
    yield exact, made
    exact.close()
    made.close()


def test_over_shapes_and_values_at_random_openvino_refuses_and_answers_as_the_cpu_engine_does(
    engines: tuple[TensorModel, TensorModel],
) -> None:
    exact, made = engines
    assert [spec.name for spec in exact.inputs] == [spec.name for spec in made.inputs]
    lengths = random.Random(5)
    answered = 0
    for _ in range(300):
        usual = (lengths.choice((1, 2, 5, 16)), lengths.choice((1, 4, 8, 64, 65)))
        shapes = [usual] * 3
        if lengths.random() < 0.6:
            place, axis = lengths.randrange(3), lengths.randrange(2)
            changed = list(usual)
            changed[axis] = lengths.choice((1, 2, 3, 8, 17))
            shapes[place] = (changed[0], changed[1])
        odd = lengths.choice([*[None] * 4, ("input_ids", 97), ("input_ids", -1), ("token_type_ids", 1 << 40)])
        work = tensors(list(exact.inputs), shapes, odd)
        expected, found = verdict(exact, work), verdict(made, work)
        if isinstance(expected, str):
            assert found == expected, shapes
        else:
            answered += 1
            np.testing.assert_allclose(found, expected, atol=1e-4, err_msg=str((shapes, odd)))
    assert 60 < answered < 240


def test_what_an_onnx_files_own_names_say_is_checked(tmp_path: Path) -> None:
    model = CpuBackend().load(tiny_onnx(tmp_path), tmp_path, "CPU", LoadOptions())
    assert [spec.axes for spec in model.inputs] == [("batch", "tokens")] * 2
    assert isinstance(verdict(model, tensors(list(model.inputs), [(2, 3), (2, 3)])), np.ndarray)
    for mask in ((1, 3), (2, 1)):
        assert "must have the length" in verdict(model, tensors(list(model.inputs), [(2, 3), mask]))


def test_a_call_whose_tensors_disagree_is_refused_and_the_next_is_answered(start: Callable[..., tuple]) -> None:
    worker, _ = start()
    refused = worker.ask("tensors", tensors([IDS, MASK], [(3, 4), (1, 4)]))
    assert refused.failure.reason == "invalid_input"
    assert refused.failure.field == "inputs[attention_mask]"
    worker.embed("w1")
    assert worker.receive().kind == "embed"
