"""JSON values in protobuf's `Value`."""

from __future__ import annotations

import math

import numpy as np
import pytest
from google.protobuf import json_format
from google.protobuf.struct_pb2 import ListValue, Value
from hypothesis import given
from hypothesis import strategies as some

from panope_backends.errors import InvalidInputError
from panope_server.transport.grpc.values import plain_value, value_message

NUMBERS = some.integers(-(1 << 53), 1 << 53) | some.floats(allow_nan=False, allow_infinity=False)
SCALARS = some.none() | some.booleans() | some.text() | NUMBERS
VALUES = some.recursive(SCALARS, lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner), max_leaves=20)


@given(VALUES)
def test_a_value_comes_back_as_it_went(value: object) -> None:
    assert plain_value(value_message(value)) == value


@pytest.mark.parametrize(("number", "kind"), [(5.0, int), (-0.0, int), (5.5, float), (2.0**53, int), (1e300, float)])
def test_whole_numbers_are_integers(number: float, kind: type) -> None:
    assert isinstance(plain_value(Value(number_value=number)), kind)
    assert plain_value(Value(number_value=number)) == number


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_json_does_not_have_is_refused(number: float) -> None:
    inside = Value(list_value=ListValue(values=[Value(number_value=number)]))
    for message in (Value(number_value=number), Value(), inside):
        with pytest.raises(InvalidInputError, match="is no JSON"):
            plain_value(message)


def test_arrays_stand_for_lists_of_numbers() -> None:
    value = {"rows": np.ones((2, 3), np.float32), "counts": [np.arange(2)]}
    expected = {"rows": [[1, 1, 1], [1, 1, 1]], "counts": [[0, 1]]}
    assert json_format.MessageToDict(value_message(value)) == expected
