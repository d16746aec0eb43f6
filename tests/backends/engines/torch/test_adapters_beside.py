"""Adapters run beside the weights of one decoder: in one step each sequence has the logits of PEFT with its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft_adapters import peft_adapter

from panope_backends.api import AdaptableStepModel, LoadOptions, StepBatch, StepSequence
from panope_backends.engines.torch.decoder.step_models import load_step_model
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.testing.decoders import tiny_decoder

TOKENS = list(range(3, 40))
#: So many blocks are each sequence's, beginning with four times its number.
BLOCKS = 4

#: Family -> what PEFT is asked for, an adapter each.
KINDS: dict[str, Sequence[dict[str, Any]]] = {
    "llama": (
        {"target_modules": ["q_proj", "v_proj"]},
        {"target_modules": "all-linear", "r": 8},
        {"target_modules": ["q_proj", "down_proj"], "use_dora": True},
        {"target_modules": ["q_proj", "up_proj"], "rank_pattern": {"up_proj": 2}, "alpha_pattern": {"q_proj": 11}},
    ),
    "qwen2": (
        {"target_modules": ["q_proj"], "use_rslora": True, "lora_alpha": 3},
        {"target_modules": ["k_proj", "o_proj"], "use_dora": True},  # the first has a bias
    ),
    "gpt2": (
        {"target_modules": ["c_attn", "c_proj"]},
        {"target_modules": ["c_attn"], "use_dora": True},
    ),
    "gpt-neox": ({"target_modules": ["query_key_value", "dense_4h_to_h"]},),
    "deepseek-v3": ({"target_modules": ["q_b_proj", "kv_b_proj", "o_proj"]},),
    "mixtral": ({"target_modules": ["q_proj", "v_proj"]},),
}


def load(facts: Any, folder: Path, precision: str = "fp32", **options: int) -> Any:
    made = LoadOptions(**{"max_adapters": 4, **options})
    model = load_step_model(facts, folder, precision, 0, made)
    model.allocate(64)
    return model


def step(model: Any, adapters: Sequence[int], past: int = 0, end: int = len(TOKENS)) -> np.ndarray[Any, Any]:
    """The logits of every new token, `[sequences, tokens, vocab]`."""
    blocks = range(-(-end // model.cache.block_size))
    batch = StepBatch.of(
        [
            StepSequence(TOKENS[past:end], past, [BLOCKS * row + n for n in blocks], range(end - past), adapter=adapter)
            for row, adapter in enumerate(adapters)
        ]
    )
    return model.forward(batch).reshape(len(adapters), end - past, -1).copy()


def logits(module: Any) -> np.ndarray[Any, Any]:
    with torch.inference_mode():
        found: np.ndarray[Any, Any] = module(input_ids=torch.tensor([TOKENS])).logits[0].float().numpy()
    return found


@pytest.mark.parametrize("family", KINDS)
def test_each_sequence_of_a_step_has_the_logits_of_its_own_adapter(family: str, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    facts = tiny_decoder(tmp_path, family)
    model = load(facts, tmp_path)
    assert isinstance(model, AdaptableStepModel)
    expected = {0: logits(AutoModelForCausalLM.from_pretrained(tmp_path, attn_implementation="eager").eval())}
    for number, options in enumerate(KINDS[family], 1):
        expected[number] = logits(peft_adapter(tmp_path, tmp_path / str(number), options, seed=number))
        model.add_adapter(number, tmp_path / str(number))
    order = [*expected, 0, *reversed(expected)]  # some beside their likes, some not
    whole = step(model, order)
    step(model, order, end=20)
    in_parts = np.concatenate([step(model, order, end=20), step(model, order, 20, 21), step(model, order, 21)], axis=1)
    for row, number in enumerate(order):
        scale = np.abs(expected[number]).max()
        np.testing.assert_allclose(whole[row], expected[number], atol=2e-5 * scale)
        np.testing.assert_allclose(in_parts[row], expected[number], atol=2e-5 * scale)
        if number:
            assert np.abs(expected[number] - expected[0]).max() > 0.02 * scale  # the adapter says something


@pytest.fixture
def llama(tmp_path: Path) -> Iterator[tuple[Any, Path]]:
    """A model that takes four adapters, and the folder of one that adapts its queries."""
    facts = tiny_decoder(tmp_path, "llama")
    peft_adapter(tmp_path, tmp_path / "queries", {"target_modules": ["q_proj"]})
    model = load(facts, tmp_path)
    yield model, tmp_path / "queries"
    model.close()


def test_sequences_without_an_adapter_are_untouched_by_those_beside_them(llama: tuple[Any, Path]) -> None:
    model, queries = llama
    before = step(model, [0, 0, 0])
    model.add_adapter(1, queries)
    beside = step(model, [0, 1, 0])
    assert (beside[0] == before[0]).all()
    assert (beside[2] == before[2]).all()
    assert (beside[1] != before[1]).any()
    model.remove_adapter(1)
    assert (step(model, [0, 0, 0]) == before).all()


def test_an_adapter_comes_and_goes_while_others_stay(llama: tuple[Any, Path]) -> None:
    model, queries = llama
    model.add_adapter(2, queries)
    model.add_adapter(3, queries)
    expected = step(model, [3])
    model.remove_adapter(2)
    assert model.adapters == {3}
    assert (step(model, [3]) == expected).all()
    with pytest.raises(InvalidInputError) as caught:
        step(model, [2])
    assert caught.value.field == "adapters"
    model.add_adapter(2, queries)
    assert (step(model, [2, 3])[0] == expected).all()


@pytest.mark.parametrize("number", [0, 3, 5])
def test_a_number_that_is_taken_or_out_of_range_is_refused(llama: tuple[Any, Path], number: int) -> None:
    model, queries = llama
    model.add_adapter(3, queries)
    with pytest.raises(InvalidInputError):
        model.add_adapter(number, queries)


def test_in_16_bits_an_adapter_is_as_close_as_the_model_is(tmp_path: Path) -> None:
    facts = tiny_decoder(tmp_path, "llama")
    expected = logits(peft_adapter(tmp_path, tmp_path / "all", {"target_modules": "all-linear"}))
    model = load(facts, tmp_path, "bf16")
    model.add_adapter(1, tmp_path / "all")
    assert np.abs(step(model, [1])[0] - expected).max() < 0.05 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("family", "options", "told"),
    [
        ("llama", {"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]}, "replaces `lm_head.weight`"),
        ("llama", {"target_modules": ["q_proj", "lm_head"]}, "`lm_head.weight`"),
        ("llama", {"target_modules": ["q_proj", "embed_tokens"]}, "embed_tokens"),
        ("qwen2", {"target_modules": ["q_proj"], "bias": "all"}, "replaces `"),
        ("llama", {"target_modules": ["q_proj"], "r": 9}, "`generation.max_adapter_rank` is 8"),
    ],
)
def test_what_cannot_run_beside_others_asks_for_an_instance_of_its_own(
    tmp_path: Path, family: str, options: dict[str, Any], told: str
) -> None:
    facts = tiny_decoder(tmp_path, family)
    peft_adapter(tmp_path, tmp_path / "adapter", options)
    model = load(facts, tmp_path, max_adapter_rank=8)
    with pytest.raises(PreconditionError, match=told) as caught:
        model.add_adapter(1, tmp_path / "adapter")
    assert caught.value.reason == "needs_own_instance"
    assert not model.adapters


def test_an_adapter_of_another_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    tiny_decoder(tmp_path / "other", "gpt2")
    peft_adapter(tmp_path / "other", tmp_path / "other_adapter", {"target_modules": ["c_attn"]})
    model = load(tiny_decoder(tmp_path, "llama"), tmp_path)
    with pytest.raises(PreconditionError) as caught:
        model.add_adapter(1, tmp_path / "other_adapter")
    assert caught.value.reason == "adapter_mismatch"


def test_an_adapter_that_comes_while_the_last_goes_keeps_its_layers(
    llama: tuple[Any, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, queries = llama
    (plain,) = step(model, [0])
    model.add_adapter(1, queries)
    of_adapters, begun = model._adapters, threading.Event()
    going = threading.Thread(target=lambda: (begun.set(), model.remove_adapter(1)))

    class Changes(dict[int, Any]):
        """Lets the last adapter go in another thread while the next is put in."""

        def __setitem__(self, number: int, changes: Any) -> None:
            going.start()
            begun.wait()
            going.join(0.2)  # for as long as the change is guarded, it cannot end
            super().__setitem__(number, changes)

    monkeypatch.setattr(of_adapters, "_changes", Changes(of_adapters._changes))
    model.add_adapter(2, queries)
    going.join()
    assert model.adapters == {2}
    assert np.abs(step(model, [2])[0] - plain).max() > 1e-4
