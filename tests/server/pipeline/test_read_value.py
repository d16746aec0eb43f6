"""A JSON value becomes the input of the model's own task, or of the one that the call names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from panope_backends.errors import InvalidInputError, PreconditionError
from panope_server.config import Limits
from panope_server.pipeline.call import Call
from panope_server.pipeline.read_value import ReadValue
from panope_server.pipeline.step import Pipeline
from panope_server.pipeline.validate import Validate
from panope_server.tasks.embed import EmbedInput, EmbedOutput
from panope_server.tasks.tensors import NamedTensor, TensorInput
from panope_server.tasks.tokenize import DetokenizeInput, TokenizeInput
from panope_server.transport.task_value import run_value, value_input

VALIDATE = Validate(Limits())


@pytest.fixture
def read(call: Any, resolved: Any) -> Any:
    """The input that a call for a model of a task ends with."""

    async def make(value: object, task: str = "", model_task: str = "embed", candidates: tuple[str, ...] = ()) -> Any:
        made: Call = call(value_input(value, task), task="")
        made.resolved = resolved(task=model_task, candidates=candidates)
        VALIDATE.check(made)

        async def forward(_: Call) -> None:
            pass

        await ReadValue(VALIDATE.check)(made, forward)
        return made.input

    return make


@pytest.mark.parametrize(
    ("task", "value", "expected"),
    [
        ("", "a", EmbedInput(["a"])),
        ("embed", {"texts": ["a"], "normalize": True}, EmbedInput(["a"], normalize=True)),
        ("tokenize", "a", TokenizeInput(["a"])),
        ("tokenize", ["a", "b"], TokenizeInput(["a", "b"])),
        ("tokenize", {"texts": ["a"], "add_special_tokens": False}, TokenizeInput(["a"], add_special_tokens=False)),
        ("detokenize", [[1, 2], [3]], DetokenizeInput([[1, 2], [3]])),
        (
            "detokenize",
            {"token_sequences": [[1]], "skip_special_tokens": False},
            DetokenizeInput([[1]], skip_special_tokens=False),
        ),
    ],
)
async def test_a_value_is_for_the_model_s_own_task_or_the_named_one(
    read: Any, task: str, value: object, expected: object
) -> None:
    assert await read(value, task) == expected


@pytest.mark.parametrize(
    ("more", "field", "message"),
    [
        ({"task": "sing"}, "task", "`task` is `sing`, which takes no `value`; `classify`, `detokenize`, `embed`,"),
        ({"task": "tensors"}, "task", "`task` is `tensors`, which takes no `value`"),
        ({"task": "value"}, "task", "`task` is `value`, which takes no `value`"),
        ({"task": "x" * 257}, "task", "`task` has 257 characters; the limit is 256"),
        ({"model_task": "detect"}, "value", "takes no `value`, because its task is `detect`; `inputs` run it as it is"),
        ({"model_task": ""}, "value", "takes no `value`, because it has no known task; `inputs` run it as it is"),
        ({"value": 5}, "value", "`value` must be"),
    ],
)
async def test_what_has_no_value_is_refused_by_name(
    read: Any, more: Mapping[str, Any], field: str, message: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        await read(**{"value": "a", **more})
    assert caught.value.field == field
    assert message in caught.value.message


async def test_a_model_whose_task_is_undecided_says_so(read: Any) -> None:
    with pytest.raises(PreconditionError) as caught:
        await read("a", model_task="", candidates=("embed", "rerank"))
    assert caught.value.reason == "ambiguous_task"


async def test_what_a_value_holds_is_checked_as_every_input_and_named_as_the_value_has_it(
    call: Any, resolved: Any
) -> None:
    async def resolve(made: Call, forward: Any) -> None:
        made.resolved = resolved()
        await forward(made)

    async def never(_: Call) -> None:
        raise AssertionError("it is refused before")

    pipeline = Pipeline([VALIDATE, resolve, ReadValue(VALIDATE.check)], never)
    for value, field in ((["a", ""], "value[1]"), ({"texts": [""]}, "value.texts[0]"), ("", "value")):
        with pytest.raises(InvalidInputError) as caught:
            await run_value(pipeline, call(value_input(value, ""), task=""))
        assert caught.value.field == field


async def test_other_inputs_pass_untouched(call: Any) -> None:
    made: Call = call(TensorInput([NamedTensor("x", "int8", (1,), b"a")]))
    passed: list[Any] = []

    async def forward(given: Call) -> None:
        passed.append(given.input)

    await ReadValue(VALIDATE.check)(made, forward)
    assert passed == [made.input]


async def test_an_answer_that_json_cannot_hold_is_an_error(call: Any, resolved: Any) -> None:
    async def resolve(made: Call, forward: Any) -> None:
        made.resolved = resolved()
        await forward(made)

    async def answer(made: Call) -> None:
        await made.output.put(EmbedOutput(b"\0\0\xc0\x7f", 1, 1, [1], []))

    pipeline = Pipeline([resolve, ReadValue(VALIDATE.check)], answer)
    with pytest.raises(Exception, match="NaN or Infinity"):
        await run_value(pipeline, call(value_input("a", ""), task=""))
