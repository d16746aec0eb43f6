"""What is run on tensors or values in JSON, and what comes of it."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict

from msgspec import UNSET, Meta, Struct, UnsetType

from panope_server.transport.rest.panope.tensor_json import OutputBody, TensorBody

_Name = Annotated[str, Meta(min_length=1, max_length=256)]


class InferBody(Struct, forbid_unknown_fields=True):
    """POST /v1/infer/{model}: either `inputs` or `value`.

    Attributes:
        inputs: named tensors.
        outputs: the outputs to return, in this order; absent or empty for all. Only with `inputs`.
        value: the input of a task; for `embed` a text, texts, or an object with `texts` and options; for `generate` a
            prompt, prompts, or an object with `prompts` or `messages` and options.
        task: the task that `value` is for, such as `tokenize`, where it is not the model's own. Only with `value`.
    """

    inputs: list[TensorBody] | UnsetType = UNSET
    outputs: list[_Name | OutputBody] = []
    value: Any = UNSET
    task: _Name | UnsetType = UNSET


class TensorJson(TypedDict):
    """An output: its `data` is one flat list, its `raw` base64 of the little-endian, row-major elements."""

    name: str
    datatype: str
    shape: list[int]
    data: NotRequired[list[float | bool | str]]
    raw: NotRequired[str]


class InferJson(TypedDict):
    """The answer of POST /v1/infer/{model}: `outputs` for `inputs`, `value` for `value`."""

    model: str
    outputs: NotRequired[list[TensorJson]]
    value: NotRequired[Any]
