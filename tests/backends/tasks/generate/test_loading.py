"""How a folder and a step model become a model that answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from panope_backends.errors import PreconditionError


def test_a_step_model_generates_within_its_files_defaults(generator: Callable[..., Any]) -> None:
    model = generator()
    assert list(model.facts.eos_token_ids) == [257, 259]
    assert json.loads(model.facts.defaults_json) == {"temperature": 0.6, "top_p": 0.9, "max_tokens": 16}
    assert (model.facts.slots, model.facts.max_positions, model.facts.vocab_size) == (4, 2048, 260)
    assert (model.facts.cache_precision, model.facts.cache_tokens) == ("fp32", 4 * 2048)
    answer = model.answer(prompts=["hello"], ignore_eos=True)
    assert len(answer.token_ids) == 16
    assert answer.finish_reason == "length"


def test_special_tokens_go_around_a_prompt_unless_the_request_says_otherwise(generator: Callable[..., Any]) -> None:
    model = generator()
    (job,) = model.job(prompts=["ab"]).requests
    assert job.prompt_token_ids == (256, 64, 65)
    (job,) = model.job(prompts=["ab"], add_special_tokens=False).requests
    assert len(job.prompt_token_ids) == 2


def test_the_settings_bound_the_cache_and_a_cache_for_nothing_is_refused(generator: Callable[..., Any]) -> None:
    model = generator(cache_bytes=8 * 8 * 5)
    assert model.facts.cache_tokens == 40
    assert model.facts.max_positions == 40
    with pytest.raises(PreconditionError, match=r"`generation[.]cache_bytes`"):
        generator(cache_bytes=1)


def test_a_model_without_a_tokenizer_is_refused_where_only_tokens_are_known(
    generator: Callable[..., Any], byte_model: Path
) -> None:
    (byte_model / "tokenizer.json").unlink()
    with pytest.raises(PreconditionError, match=r"no tokenizer\.json"):
        generator()
