"""Refuses what no model could run, by the name of the field and with the limit.

What depends on the model (its longest text, its tensors, its prompts) is checked in the worker, where the model is.
"""

from __future__ import annotations

import math

from panope_backends.errors import Field, InvalidInputError
from panope_server.config import Limits
from panope_server.pipeline.call import Call
from panope_server.pipeline.step import Next
from panope_server.tasks.embed import EmbedInput
from panope_server.tasks.task import Output
from panope_server.tasks.tensors import NamedTensor, TensorInput
from panope_server.tasks.tokenize import DetokenizeInput, TokenizeInput

MAX_NAME_CHARACTERS = 256
MAX_AXES = 8
MAX_AXIS = 1 << 40
MAX_TENSORS = 64
MAX_TOKEN_ID = (1 << 31) - 1
MAX_DIMENSIONS = (1 << 32) - 1
"""What the frames of workers carry; how many a model has is known in its worker."""
TRUNCATIONS = ("refuse", "end", "start")

#: Bytes of one element, by NumPy's name.
ITEM_BYTES = {
    "bool": 1,
    "uint8": 1,
    "uint16": 2,
    "uint32": 4,
    "uint64": 8,
    "int8": 1,
    "int16": 2,
    "int32": 4,
    "int64": 8,
    "float16": 2,
    "float32": 4,
    "float64": 8,
}


class Validate:
    """The step that checks a call against the limits."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    async def __call__(self, call: Call, forward: Next) -> Output:
        """Forwards a call that is within the limits."""
        self.check(call)
        return await forward(call)

    def check(self, call: Call) -> None:
        """Refuses a call that is past them, with InvalidInputError."""
        check_length(call.model, "model")
        match call.input:
            case EmbedInput():
                self._embed(call.input)
            case TensorInput():
                self._tensors(call.input)
            case TokenizeInput():
                self._texts(call.input.texts)
            case DetokenizeInput():
                self._sequences(call.input.token_sequences)

    def _embed(self, task_input: EmbedInput) -> None:
        if task_input.texts and task_input.token_sequences:
            raise InvalidInputError.at(
                "token_sequences", "{texts} and {field} exclude each other", texts=Field("texts")
            )
        if task_input.token_sequences:
            self._sequences(task_input.token_sequences)
        else:
            self._texts(task_input.texts)
        if task_input.truncation not in TRUNCATIONS:
            raise InvalidInputError.at("truncation", "{field} must be one of {known}", known=", ".join(TRUNCATIONS))
        if task_input.dimensions is not None and not 1 <= task_input.dimensions <= MAX_DIMENSIONS:
            raise InvalidInputError.at(
                "dimensions", "{field} must be at least 1 and at most {limit:,}", limit=MAX_DIMENSIONS
            )
        check_length(task_input.prompt_name or "", "prompt_name")

    def _texts(self, texts: list[str]) -> None:
        self._count("texts", len(texts))
        limit = self._limits.max_text_bytes
        for index, text in enumerate(texts):
            if not text:
                raise InvalidInputError.at(f"texts[{index}]", "{field} is empty")
            # A character is at most four bytes, so most texts need no second look.
            if len(text) * 4 > limit and (size := len(text.encode())) > limit:
                raise InvalidInputError.at(
                    f"texts[{index}]", "{field} has {size:,} bytes; the limit is {limit:,}", size=size, limit=limit
                )

    def _sequences(self, sequences: list[list[int]]) -> None:
        self._count("token_sequences", len(sequences))
        limit = self._limits.max_text_bytes
        for index, ids in enumerate(sequences):
            name = f"token_sequences[{index}]"
            if not ids:
                raise InvalidInputError.at(name, "{field} is empty")
            if len(ids) > limit:
                raise InvalidInputError.at(
                    name, "{field} has {count:,} ids; the limit is {limit:,}", count=len(ids), limit=limit
                )
            if min(ids) < 0 or max(ids) > MAX_TOKEN_ID:
                raise InvalidInputError.at(name, "{field} has ids outside 0 to {limit:,}", limit=MAX_TOKEN_ID)

    def _count(self, name: str, count: int) -> None:
        if count == 0:
            raise InvalidInputError.at(name, "{field} is empty; give at least one")
        if count > self._limits.max_items:
            raise InvalidInputError.at(
                name, "{field} has {count:,} items; the limit is {limit:,}", count=count, limit=self._limits.max_items
            )

    def _tensors(self, task_input: TensorInput) -> None:
        if not task_input.inputs:
            raise InvalidInputError.at("inputs", "{field} is empty; give at least one tensor")
        for field, names in (
            ("inputs", [tensor.name for tensor in task_input.inputs]),
            ("output_names", task_input.output_names),
        ):
            if len(names) > MAX_TENSORS:
                raise InvalidInputError.at(
                    field, "{field} has {count:,} items; the limit is {limit}", count=len(names), limit=MAX_TENSORS
                )
            for index, name in enumerate(names):
                check_length(name, f"{field}[{index}].name" if field == "inputs" else f"{field}[{index}]")
            if len(set(names)) < len(names):
                raise InvalidInputError.at(field, "{field} names a tensor twice")
        for index, tensor in enumerate(task_input.inputs):
            check_tensor(tensor, f"inputs[{index}]")


def check_length(text: str, field: str, limit: int = MAX_NAME_CHARACTERS) -> None:
    """Refuses a text, such as a name, that is too long; it would be repeated in answers and in the log."""
    if len(text) > limit:
        raise InvalidInputError.at(
            field, "{field} has {count:,} characters; the limit is {limit:,}", count=len(text), limit=limit
        )


def check_tensor(tensor: NamedTensor, field: str) -> None:
    """Refuses a tensor whose type, shape and bytes do not fit each other."""
    if not tensor.name:
        raise InvalidInputError.at(f"{field}.name", "{field} is empty")
    if tensor.dtype not in ITEM_BYTES:
        raise InvalidInputError.at(f"{field}.data_type", "{field} is missing or unknown")
    if len(tensor.shape) > MAX_AXES:
        raise InvalidInputError.at(
            f"{field}.shape", "{field} has {count} axes; the limit is {limit}", count=len(tensor.shape), limit=MAX_AXES
        )
    if any(not 0 <= length <= MAX_AXIS for length in tensor.shape):
        raise InvalidInputError.at(f"{field}.shape", "{field} has an axis outside 0 to {limit:,}", limit=MAX_AXIS)
    expected = math.prod(tensor.shape) * ITEM_BYTES[tensor.dtype]
    if expected != len(tensor.data):
        raise InvalidInputError.at(
            f"{field}.data",
            "{field} has {count:,} bytes; {type} of shape {shape} has {expected:,}",
            count=len(tensor.data),
            type=tensor.dtype,
            shape=list(tensor.shape),
            expected=expected,
        )
