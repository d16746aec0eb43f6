"""Models that are asked for what is between two texts, and those that cannot be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from panope_backends.errors import InvalidInputError
from panope_backends.tasks.generate.fill_in import _MARKS, fill_in_of


@pytest.fixture
def coder(generator: Callable[..., Any], byte_model: Path) -> Callable[..., Any]:
    """Makes a model with tokens of those names."""

    def make(*marks: str) -> Any:
        path = byte_model / "tokenizer.json"
        tokenizer = Tokenizer.from_file(str(path))
        tokenizer.add_special_tokens(list(marks))
        tokenizer.save(str(path))
        config = json.loads((byte_model / "config.json").read_text())
        (byte_model / "config.json").write_text(json.dumps({**config, "vocab_size": 260 + len(marks)}))
        return generator()

    return make


@pytest.mark.parametrize("marks", _MARKS)
def test_both_texts_stand_between_the_models_own_marks(coder: Callable[..., Any], marks: tuple[str, ...]) -> None:
    model = coder(*marks)
    assert "suffix" in model.facts.honoured
    (request,) = model.job(prompts=["ab"], suffix="c").requests
    assert request.prompt_token_ids == (256, 260, 64, 65, 261, 66, 262)
    (request,) = model.job(prompts=["ab"], suffix="c", add_special_tokens=False).requests
    assert request.prompt_token_ids == (260, 64, 65, 261, 66, 262)
    (request,) = model.job(prompts=["ab"]).requests
    assert request.prompt_token_ids == (256, 64, 65)


def test_an_answer_depends_on_what_comes_behind_it_and_echo_gives_the_prompt_alone(coder: Callable[..., Any]) -> None:
    model = coder(*_MARKS[0])
    asked = {"prompts": ["a"], "ignore_eos": True}
    one, other = (model.answer(**asked, suffix=suffix) for suffix in ("b", "c"))
    assert one.token_ids != other.token_ids
    echoed = model.answer(**asked, suffix="b", echo=True)
    assert echoed.text == "a" + one.text


@pytest.mark.parametrize(
    ("fields", "field", "why"),
    [
        ({"suffix": "b", "truncate_prompt_tokens": 1}, "truncate_prompt_tokens", "beside `suffix`"),
        ({"suffix": "b" * 5000}, "prompts[0]", "5,005 tokens"),
        ({"suffix": "b" * 500_000}, "suffix", "500,000 characters"),
    ],
)
def test_what_cannot_be_filled_in_is_refused_by_name(
    coder: Callable[..., Any], fields: dict[str, Any], field: str, why: str
) -> None:
    model = coder(*_MARKS[0])
    with pytest.raises(InvalidInputError, match=why) as refusal:
        model.job(prompts=["a"], **fields)
    assert refusal.value.field == field


def test_a_model_without_such_tokens_says_so(coder: Callable[..., Any]) -> None:
    model = coder("<|fim_prefix|>", "<|fim_suffix|>")  # and none for the middle
    assert "suffix" not in model.facts.honoured
    with pytest.raises(InvalidInputError, match="no tokens to ask for what is between two texts") as refusal:
        model.job(prompts=["a"], suffix="b")
    assert (refusal.value.field, refusal.value.reason) == ("suffix", "unsupported_field")


def test_marks_are_those_of_the_first_family_that_is_whole() -> None:
    class Two:
        def token_id(self, token: str) -> int | None:
            return {"<fim_prefix>": 7, "<fim_suffix>": 8, "<fim_middle>": 9, "<|fim_prefix|>": 1}.get(token)

    found = fill_in_of(Two())
    assert found is not None
    assert found.tokens([1], []) == [7, 1, 8, 9]
