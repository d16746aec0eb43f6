from collections.abc import Callable

import numpy as np
import pytest

from panope.worker.v1 import tensors_pb2, tokenize_pb2
from panope.worker.v1 import worker_pb2 as wire
from panope_backends.api import TensorModel, TensorSpec
from panope_backends.errors import InternalError, InvalidInputError
from panope_backends.tasks.tensors.arrays import read_inputs, read_output_names, tensor_output


class Model(TensorModel):
    """Takes a matrix and flags."""

    inputs = (TensorSpec("matrix", "float32", (2, -1)), TensorSpec("flags", "bool", (-1,)))
    outputs = inputs
    precision = "fp32"

    def run(self, *_: object) -> dict[str, np.ndarray]:
        raise AssertionError("nothing may run")


MODEL = Model()
SPECS = MODEL.inputs


def tensor(name: str, array: np.ndarray, **changes: object) -> tensors_pb2.Tensor:
    made = tensors_pb2.Tensor(name=name, dtype=array.dtype.name, shape=array.shape, data=array.tobytes())
    made.MergeFrom(tensors_pb2.Tensor(**changes))  # type: ignore[arg-type] # any field
    return made


def work(*inputs: tensors_pb2.Tensor, **fields: object) -> tensors_pb2.TensorInput:
    return tensors_pb2.TensorInput(inputs=inputs, **fields)  # type: ignore[arg-type] # any field


MATRIX = np.arange(6, dtype=np.float32).reshape(2, 3)
FLAGS = np.array([True, False])


def test_tensors_arrive_as_they_were_sent() -> None:
    arrays = read_inputs(work(tensor("matrix", MATRIX), tensor("flags", FLAGS)), MODEL)
    np.testing.assert_array_equal(arrays["matrix"], MATRIX)
    np.testing.assert_array_equal(arrays["flags"], FLAGS)


@pytest.mark.parametrize(
    ("inputs", "field", "message"),
    [
        ([tensor("matrix", MATRIX)], "inputs", "`inputs[flags]` is missing; the model takes `matrix`, `flags`"),
        ([tensor("other", MATRIX)], "inputs[other]", "the model has no input `other`; it has `matrix`, `flags`"),
        ([tensor("matrix", MATRIX)] * 2, "inputs[matrix]", "`inputs[matrix]` is given twice"),
        (
            [tensor("matrix", MATRIX.astype(np.float64))],
            "inputs[matrix]",
            "`inputs[matrix]` has the type float64; the model takes float32",
        ),
        (
            [tensors_pb2.Tensor(name="matrix", dtype="object", shape=(1,), data=b"\0" * 4)],
            "inputs[matrix]",
            "`inputs[matrix]` has the type bytes; the model takes float32",
        ),
        (
            [tensor("matrix", MATRIX.T)],
            "inputs[matrix]",
            "`inputs[matrix]` has the shape [3, 2]; the model takes [2, -1]",
        ),
        (
            [tensor("matrix", MATRIX.reshape(2, 3, 1))],
            "inputs[matrix]",
            "`inputs[matrix]` has the shape [2, 3, 1]; the model takes [2, -1]",
        ),
        (
            [tensor("matrix", np.zeros((2, 0), np.float32))],
            "inputs[matrix]",
            "`inputs[matrix]` has the shape [2, 0]; the model takes [2, -1]",
        ),
        (
            [tensors_pb2.Tensor(name="matrix", dtype="float32", shape=(2, 3), data=b"\0" * 20)],
            "inputs[matrix]",
            "`inputs[matrix]` has 20 bytes; float32 of shape [2, 3] has 24",
        ),
        (
            [tensors_pb2.Tensor(name="matrix", dtype="float32", shape=(2, 1 << 40), data=b"")],
            "inputs[matrix]",
            "`inputs[matrix]` has 0 bytes; float32 of shape [2, 1099511627776] has 8,796,093,022,208",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_refused_by_name_with_both_numbers(
    inputs: list[tensors_pb2.Tensor], field: str, message: str
) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        read_inputs(work(*inputs), MODEL)
    assert (refusal.value.field, refusal.value.message) == (field, message)


def test_no_output_named_means_every_output() -> None:
    assert read_output_names(work(), SPECS) == ["matrix", "flags"]


@pytest.mark.parametrize(
    ("names", "field", "message"),
    [
        (["flags", "other"], "output_names[1]", "the model has no output `other`; it has `matrix`, `flags`"),
        (["flags", "flags"], "output_names[1]", "`output_names` has `flags` twice"),
    ],
)
def test_outputs_that_are_unknown_or_named_twice_are_refused(names: list[str], field: str, message: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        read_output_names(work(output_names=names), SPECS)
    assert (refusal.value.field, refusal.value.message) == (field, message)


def test_outputs_leave_row_by_row_and_little_endian() -> None:
    big_endian_columns = np.asfortranarray(MATRIX).astype(">f4", order="F")
    (output,) = tensor_output({"matrix": big_endian_columns}, ["matrix"]).outputs
    assert output.dtype == "float32"
    np.testing.assert_array_equal(np.frombuffer(output.data, "<f4").reshape(output.shape), MATRIX)


@pytest.mark.parametrize("outputs", [{}, {"matrix": np.array(["text"])}])
def test_an_output_that_is_missing_or_has_no_type_in_the_protocol_is_an_internal_error(
    outputs: dict[str, np.ndarray],
) -> None:
    with pytest.raises(InternalError, match="no usable output `matrix`"):
        tensor_output(outputs, ["matrix"])


def test_a_model_without_a_task_serves_its_tensors(start: Callable[..., tuple]) -> None:
    worker, ready = start("worker_doubles:SumBackend", task="")
    assert [spec.name for spec in ready.ready.outputs] == ["sum", "shape"]
    assert not ready.ready.facts
    inputs = [tensor("matrix", MATRIX), tensor("scale", np.array([2], np.float32))]
    answer = worker.ask("tensors", work(*inputs, output_names=["shape", "sum"]))
    shape, total = answer.tensors.outputs
    assert np.frombuffer(shape.data, shape.dtype).tolist() == [2, 3]
    assert np.frombuffer(total.data, total.dtype).tolist() == [30.0]
    assert answer.timing.run_microseconds > 0
    assert answer.timing.batch_size == 1


def test_a_model_without_a_tokenizer_says_so(
    start: Callable[..., tuple], message_of: Callable[[wire.Failure], str]
) -> None:
    worker, _ = start("worker_doubles:SumBackend", task="")
    failure = worker.ask("tokenize", tokenize_pb2.TokenizeInput(texts=["w1"])).failure
    assert (failure.reason, message_of(failure)) == ("failed_precondition", "the model has no tokenizer")
