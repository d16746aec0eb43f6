from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panope_backends.errors import InvalidInputError
from panope_server.config import Limits
from panope_server.pipeline.validate import ITEM_BYTES, Validate, check_tensor
from panope_server.tasks.work import Answer, DetokenizeWork, EmbedWork, NamedTensor, TensorWork, TokenizeWork, Work

LIMITS = Limits(max_texts=4, max_text_bytes=16)


async def refusal(call, work: Work) -> InvalidInputError:
    async def never(_: object) -> Answer:
        raise AssertionError("the call was forwarded")

    with pytest.raises(InvalidInputError) as caught:
        await Validate(LIMITS)(call(work), never)
    return caught.value


@pytest.mark.parametrize(
    ("work", "field", "said"),
    [
        (EmbedWork(), "texts", "at least one"),
        (EmbedWork(texts=["a"] * 5), "texts", "5 items; the limit is 4"),
        (EmbedWork(texts=["a", ""]), "texts[1]", "is empty"),
        (EmbedWork(texts=["é" * 9]), "texts[0]", "18 bytes; the limit is 16"),
        (EmbedWork(texts=["a"], token_sequences=[[1]]), "token_sequences", "exclude each other"),
        (EmbedWork(token_sequences=[[1], []]), "token_sequences[1]", "is empty"),
        (EmbedWork(token_sequences=[[-1]]), "token_sequences[0]", "outside 0 to"),
        (EmbedWork(token_sequences=[[1 << 31]]), "token_sequences[0]", "outside 0 to"),
        (EmbedWork(token_sequences=[[1] * 17]), "token_sequences[0]", "17 ids; the limit is 16"),
        (EmbedWork(texts=["a"], truncation="middle"), "truncation", "refuse, end, start"),
        (EmbedWork(texts=["a"], dimensions=0), "dimensions", "at least 1"),
        (EmbedWork(texts=["a"], dimensions=1 << 32), "dimensions", "at most 4,294,967,295"),
        (EmbedWork(texts=["a"], dimensions=int(1e300)), "dimensions", "at most 4,294,967,295"),
        (EmbedWork(texts=["a"], prompt_name="p" * 257), "prompt_name", "257 characters; the limit is 256"),
        (TokenizeWork(texts=[]), "texts", "at least one"),
        (DetokenizeWork(token_sequences=[[1 << 40]]), "token_sequences[0]", "outside 0 to"),
        (TensorWork(inputs=[]), "inputs", "at least one tensor"),
        (TensorWork(inputs=[NamedTensor("x", "int8", (1,), b"a")] * 2), "inputs", "names a tensor twice"),
        (TensorWork([NamedTensor("x", "int8", (1,), b"a")], ["y", "y"]), "output_names", "names a tensor twice"),
        (TensorWork([NamedTensor("x" * 257, "int8", (1,), b"a")]), "inputs[0].name", "the limit is 256"),
        (TensorWork([NamedTensor("x", "int8", (1,), b"a")], ["y", "z" * 257]), "output_names[1]", "the limit is 256"),
        (TensorWork([NamedTensor("", "int8", (1,), b"a")]), "inputs[0].name", "is empty"),
        (TensorWork([NamedTensor("x", "", (1,), b"a")]), "inputs[0].data_type", "missing or unknown"),
        (TensorWork([NamedTensor("x", "int8", (1,) * 9, b"a")]), "inputs[0].shape", "9 axes; the limit is 8"),
        (TensorWork([NamedTensor("x", "int8", (-1,), b"")]), "inputs[0].shape", "outside 0 to"),
        (TensorWork([NamedTensor("x", "int8", (1 << 41,), b"")]), "inputs[0].shape", "outside 0 to"),
        (TensorWork([NamedTensor("x", "int64", (2,), b"1234567")]), "inputs[0].data", "7 bytes; int64 of shape"),
    ],
)
async def test_what_no_model_could_run_is_refused_by_field_and_limit(call, work: Work, field: str, said: str) -> None:
    error = await refusal(call, work)
    assert error.field == field
    assert said in error.message


async def test_a_very_long_model_name_is_refused(call) -> None:
    made = call()
    made.model = "a" * 257
    with pytest.raises(InvalidInputError, match="257 characters; the limit is 256"):
        await Validate(LIMITS)(made, None)  # type: ignore[arg-type]


async def test_what_is_within_the_limits_is_forwarded_unchanged(call, answer: Answer) -> None:
    made = call(EmbedWork(texts=["a" * 16, "b"]))
    seen = []

    async def forward(forwarded: object) -> Answer:
        seen.append(forwarded)
        return answer

    assert await Validate(LIMITS)(made, forward) is answer
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
