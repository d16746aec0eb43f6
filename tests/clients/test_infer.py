"""Named tensors and task values through either client."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as arrays

from panope.v1 import tensor_pb2 as pb
from panope_client import InvalidResponseError
from panope_client.tensors import DTYPES, array_of, dtype_of, tensor_of

MODEL = "vendor/fake"


async def test_arrays_come_back_as_they_went(client: Any, fake: Any) -> None:
    inputs = {"ids": np.arange(6, dtype=np.int64).reshape(2, 3), "mask": np.array([True, False])}

    outputs = await client.infer(inputs, MODEL, ["ids", "mask"])

    assert list(outputs) == ["ids", "mask"]
    for name, array in inputs.items():
        np.testing.assert_array_equal(outputs[name], array)
        assert outputs[name].dtype == array.dtype
    assert list(fake.requests[0].output_names) == ["ids", "mask"]


async def test_a_value_comes_back_as_json(client: Any) -> None:
    value = {"texts": ["a", "b"], "normalize": True, "none": None, "list": [1.5, [2]]}

    assert await client.infer_value(value, MODEL) == value


async def test_a_plain_text_is_a_value(client: Any) -> None:
    assert await client.infer_value("hello", MODEL) == "hello"


@pytest.mark.parametrize(
    "value", [{"x": object()}, [float("nan")], {"x": float("inf")}, b"bytes", {1: 2}, 2**53 + 1, 10**400]
)
async def test_what_json_cannot_hold_is_refused_before_the_call(client: Any, fake: Any, value: Any) -> None:
    with pytest.raises(TypeError, match="what JSON can hold"):
        await client.infer_value(value, MODEL)
    assert not fake.requests


async def test_texts_come_back_as_bytes(client: Any) -> None:
    texts = np.array([["Grüße", ""], ["x", "y"]])
    found = await client.infer({"words": texts, "bytes": np.array([b"\xff\x00", b"a"], object)}, MODEL)
    assert [[each.decode() for each in row] for row in found["words"]] == texts.tolist()
    assert found["bytes"].tolist() == [b"\xff\x00", b"a"]


async def test_an_array_of_dates_is_refused_by_name(client: Any, fake: Any) -> None:
    with pytest.raises(TypeError, match=r"input `days` has element type datetime64"):
        await client.infer({"days": np.zeros(1, "M8[D]")}, MODEL)
    assert not fake.requests


@given(
    arrays.arrays(
        arrays.scalar_dtypes().filter(lambda dtype: dtype.kind in "biuf" and dtype.itemsize <= 8),
        arrays.array_shapes(min_dims=0, min_side=0),
    )
)
def test_any_array_survives_the_wire_bit_for_bit(array: np.ndarray) -> None:
    for given_array in (array, array.T, array[..., ::-1] if array.ndim else array):
        back = array_of(tensor_of("x", given_array))
        assert back.shape == given_array.shape
        assert back.dtype == given_array.dtype.newbyteorder("<")
        assert back.tobytes() == given_array.astype(back.dtype).tobytes()


def test_every_data_type_of_the_protocol_has_its_dtype() -> None:
    assert set(DTYPES) == set(pb.DataType.values()) - {pb.DATA_TYPE_UNSPECIFIED, pb.DATA_TYPE_BYTES}
    assert dtype_of(pb.DATA_TYPE_BYTES).kind == "O"


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        (pb.Tensor(name="y", data_type=pb.DATA_TYPE_FP32, shape=[2], data=bytes(7)), "7 bytes, which do not fit"),
        (pb.Tensor(name="y", data_type=pb.DATA_TYPE_INT8, shape=[-1, -4], data=bytes(4)), "do not fit"),
        (pb.Tensor(name="y", shape=[0]), "does not know"),
        (pb.Tensor(name="y", data_type=pb.DATA_TYPE_BYTES, shape=[1], data=b"\5\0\0\0a"), "no texts of its shape"),
        (pb.Tensor(name="y", data_type=pb.DATA_TYPE_BYTES, shape=[2], data=bytes(4)), "no texts of its shape"),
    ],
)
def test_a_tensor_that_does_not_hold_together_is_refused(tensor: pb.Tensor, words: str) -> None:
    with pytest.raises(InvalidResponseError, match=words):
        array_of(tensor)
