from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panope_backends.errors import InvalidInputError
from panope_server.config import Limits
from panope_server.pipeline.call import Call
from panope_server.pipeline.step import Pipeline
from panope_server.pipeline.validate import Validate
from panope_server.tasks.embed import EmbedInput
from panope_server.tasks.task import Input, Output
from panope_server.tasks.tensors import ITEM_BYTES, NamedTensor, TensorInput, check_tensor
from panope_server.tasks.tokenize import DetokenizeInput, TokenizeInput

LIMITS = Limits(max_items=4, max_text_bytes=16)


async def refusal(call, task_input: Input) -> InvalidInputError:
    async def never(_: object) -> None:
        raise AssertionError("the call was forwarded")

    with pytest.raises(InvalidInputError) as caught:
        await Validate(LIMITS)(call(task_input), never)
    return caught.value


@pytest.mark.parametrize(
    ("task_input", "field", "said"),
    [
        (EmbedInput(), "texts", "at least one"),
        (EmbedInput(texts=["a"] * 5), "texts", "5 items; the limit is 4"),
        (EmbedInput(texts=["a", ""]), "texts[1]", "is empty"),
        (EmbedInput(texts=["é" * 9]), "texts[0]", "18 bytes; the limit is 16"),
        (EmbedInput(texts=["a"], token_sequences=[[1]]), "token_sequences", "exclude each other"),
        (EmbedInput(token_sequences=[[1], []]), "token_sequences[1]", "is empty"),
        (EmbedInput(token_sequences=[[-1]]), "token_sequences[0]", "outside 0 to"),
        (EmbedInput(token_sequences=[[1 << 31]]), "token_sequences[0]", "outside 0 to"),
        (EmbedInput(token_sequences=[[1] * 17]), "token_sequences[0]", "17 ids; the limit is 16"),
        (EmbedInput(texts=["a"], truncation="middle"), "truncation", "refuse, end, start"),
        (EmbedInput(texts=["a"], dimensions=0), "dimensions", "at least 1"),
        (EmbedInput(texts=["a"], dimensions=1 << 32), "dimensions", "at most 4,294,967,295"),
        (EmbedInput(texts=["a"], dimensions=int(1e300)), "dimensions", "at most 4,294,967,295"),
        (EmbedInput(texts=["a"], prompt_name="p" * 257), "prompt_name", "257 characters; the limit is 256"),
        (TokenizeInput(texts=[]), "texts", "at least one"),
        (DetokenizeInput(token_sequences=[[1 << 40]]), "token_sequences[0]", "outside 0 to"),
        (TensorInput(inputs=[]), "inputs", "at least one tensor"),
        (TensorInput(inputs=[NamedTensor("x", "int8", (1,), b"a")] * 2), "inputs", "names a tensor twice"),
        (TensorInput([NamedTensor("x", "int8", (1,), b"a")], ["y", "y"]), "output_names", "names a tensor twice"),
        (TensorInput([NamedTensor("x" * 257, "int8", (1,), b"a")]), "inputs[0].name", "the limit is 256"),
        (TensorInput([NamedTensor("x", "int8", (1,), b"a")], ["y", "z" * 257]), "output_names[1]", "the limit is 256"),
        (TensorInput([NamedTensor("", "int8", (1,), b"a")]), "inputs[0].name", "is empty"),
        (TensorInput([NamedTensor("x", "", (1,), b"a")]), "inputs[0].data_type", "missing or unknown"),
        (TensorInput([NamedTensor("x", "int8", (1,) * 9, b"a")]), "inputs[0].shape", "9 axes; the limit is 8"),
        (TensorInput([NamedTensor("x", "int8", (-1,), b"")]), "inputs[0].shape", "outside 0 to"),
        (TensorInput([NamedTensor("x", "int8", (1 << 41,), b"")]), "inputs[0].shape", "outside 0 to"),
        (TensorInput([NamedTensor("x", "int64", (2,), b"1234567")]), "inputs[0].data", "7 bytes; int64 of shape"),
    ],
)
async def test_what_no_model_could_run_is_refused_by_field_and_limit(
    call, task_input: Input, field: str, said: str
) -> None:
    error = await refusal(call, task_input)
    assert error.field == field
    assert said in error.message


async def test_a_very_long_model_name_is_refused(call) -> None:
    made = call()
    made.requested_model = "a" * 257
    with pytest.raises(InvalidInputError, match="257 characters; the limit is 256"):
        await Validate(LIMITS)(made, None)  # type: ignore[arg-type]  # refused before it is used


async def test_what_is_within_the_limits_is_forwarded_unchanged(call, answer: Output) -> None:
    made = call(EmbedInput(texts=["a" * 16, "b"]))
    seen = []

    async def forward(forwarded: Call) -> None:
        seen.append(forwarded)
        await forwarded.output.put(answer)

    assert await Pipeline([Validate(LIMITS)], forward).run(made) is answer
    assert seen == [made]


@given(
    dtype=st.sampled_from(sorted(ITEM_BYTES)),
    shape=st.lists(st.integers(0, 4), max_size=4),
    extra=st.integers(-8, 8),
)
def test_a_tensor_passes_exactly_when_its_bytes_fit_its_shape(dtype: str, shape: list[int], extra: int) -> None:
    size = math.prod(shape) * ITEM_BYTES[dtype]
    tensor = NamedTensor("x", dtype, tuple(shape), b"\0" * max(0, size + extra))
    if len(tensor.data) == size:
        check_tensor(tensor, "inputs[0]")
    else:
        with pytest.raises(InvalidInputError, match="bytes"):
            check_tensor(tensor, "inputs[0]")


@given(shape=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=12))
def test_no_shape_however_large_overflows_into_acceptance(shape: list[int]) -> None:
    tensor = NamedTensor("x", "float32", tuple(shape), b"\0" * 4)
    if len(shape) <= 8 and all(length == 1 for length in shape):
        check_tensor(tensor, "inputs[0]")
    else:
        with pytest.raises(InvalidInputError):
            check_tensor(tensor, "inputs[0]")
