"""What a backend's model answers is held to what it says of itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from panope_backends.api import LoadedModel, TensorModel, TensorSpec
from panope_backends.errors import InternalError, PreconditionError
from panope_backends.testing.doubles import EchoModel
from panope_backends.worker.checked_model import CheckedModel, checked

IDS = np.array([[3, 4, 5], [6, 7, 8]])
ARRAYS = {"input_ids": IDS, "attention_mask": np.ones_like(IDS)}

Change = Callable[[Any], Any]


class Changed(EchoModel):
    """Echo whose answer somebody changes."""

    def __init__(self, change: Change, axes: tuple[int, ...] = (-1, -1, 8)) -> None:
        super().__init__({})
        self._change = change
        self.outputs = [TensorSpec("last_hidden_state", "float32", axes)]

    def run(self, arrays: Any, outputs: Any = ()) -> Any:
        return self._change(super().run(arrays, outputs))


def each(change: Change) -> Change:
    return lambda answer: {name: change(array) for name, array in answer.items()}


def model(change: Change, *axes: int) -> TensorModel:
    made = checked(Changed(change, *([axes] if axes else [])), "acme", "a/b")
    assert isinstance(made, TensorModel)
    return made


WRONG = [
    (each(lambda array: array[:, :, :3]), "gives `last_hidden_state` as [2, 3, 3], and its model says [any, any, 8]"),
    (each(lambda array: array[1:]), "gives `last_hidden_state` as [1, 3, 8], and its model says [any, any, 8]"),
    (each(np.ravel), "gives `last_hidden_state` as [48], and its model says [any, any, 8]"),
    (each(np.ndarray.tolist), "gives `last_hidden_state` as a `list` in place of an array"),
    (each(lambda array: array.astype(np.float64)), "gives `last_hidden_state` as float64, and its model says float32"),
    (each(lambda array: array.astype(str)), "gives `last_hidden_state` as str"),
    (lambda _: {}, "does not give `last_hidden_state`, which its model says it has"),
    (lambda _: None, "answers with a `NoneType` in place of named arrays"),
]


@pytest.mark.parametrize(("change", "told"), WRONG)
def test_an_answer_that_the_model_does_not_describe_is_an_error_that_names_the_backend(
    change: Change, told: str
) -> None:
    with pytest.raises(InternalError) as refused:
        model(change).run(ARRAYS)
    assert refused.value.message.startswith("the backend `acme` ")
    assert told in refused.value.message
    assert refused.value.reason == "wrong_answer"


def test_a_right_answer_is_passed_on_as_it_is() -> None:
    right = model(lambda answer: answer)
    assert right.run(ARRAYS)["last_hidden_state"].shape == (2, 3, 8)
    assert right.run(ARRAYS, ("last_hidden_state",)).keys() == {"last_hidden_state"}
    assert (right.precision, [spec.name for spec in right.inputs]) == ("fp32", ["input_ids", "attention_mask"])


def test_rows_and_lengths_of_models_that_look_at_images_too_are_their_own() -> None:
    both = {**ARRAYS, "pixel_values": np.zeros((1, 3, 8, 8), np.float32)}
    assert model(each(lambda array: array[:1, :, :5])).run(both)["last_hidden_state"].shape == (1, 3, 5)


def test_whatever_a_model_can_do_is_done_by_the_backends() -> None:
    methods = {name for kind in (TensorModel, LoadedModel) for name in vars(kind) if callable(getattr(kind, name))}
    assert {name for name in methods if not name.startswith("_")} <= vars(CheckedModel).keys()


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("inputs", None, "whose `inputs` are not a list of `TensorSpec`"),
        ("inputs", [("input_ids", "int64")], "whose `inputs` are not a list of `TensorSpec`"),
        ("outputs", "last_hidden_state", "whose `outputs` are not a list of `TensorSpec`"),
        ("precision", None, "does not say as `precision`, a text, what it computes in"),
    ],
)
def test_a_model_that_does_not_describe_itself_is_refused_with_what_is_wrong(name: str, value: Any, told: str) -> None:
    undescribed = EchoModel({})
    setattr(undescribed, name, value)
    with pytest.raises(InternalError, match="the backend `acme` loads a model") as refused:
        checked(undescribed, "acme", "a/b")
    assert told in refused.value.message


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(PreconditionError, match="what the backend `acme` loads for `a/b` is no model, but a `dict`"):
        checked({}, "acme", "a/b")
