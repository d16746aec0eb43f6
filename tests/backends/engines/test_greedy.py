"""Greedy answers are those of transformers' own `generate`, alone and in company, on every engine that says it serves.

The company is 32 sequences on 8 slots and few blocks: they join, leave and are pre-empted.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models
from transformers import AutoModelForCausalLM

from panope_backends.api import Backend, GenerationRequest, LoadOptions, ModelFacts, SamplingParams, StepModel
from panope_backends.engines.openvino.backend import OpenVinoBackend
from panope_backends.engines.torch import CpuBackend
from panope_backends.engines.torch.decoder.facts import rerun_reason
from panope_backends.generation import Decoding, GenerationEngine, GenerationSettings
from panope_backends.generation.text.vocabulary import TokenVocabulary
from panope_backends.testing.decoders import FAMILIES, UNPAGED_FAMILIES, VOCABULARY, tiny_decoder

ANSWER = 16
SEQUENCES = 32
SLOTS = 8

SAMPLE = [("openvino", "gpt-oss"), ("cpu", "llama")]
EVERY = [
    *(("openvino", family) for family in FAMILIES),
    *(("cpu", family) for family in [*FAMILIES, *UNPAGED_FAMILIES]),
]

Load = Callable[[str, str], StepModel]


def prompts() -> list[tuple[int, ...]]:
    """Of many lengths, some longer than a block, some that begin alike."""
    random = np.random.default_rng(7)
    common = random.integers(3, VOCABULARY, 40).tolist()
    lengths = random.integers(1, 60, SEQUENCES)
    return [
        tuple((common if number % 4 == 0 else []) + random.integers(3, VOCABULARY, length).tolist())
        for number, length in enumerate(lengths.tolist())
    ]


def expected(folder: Path, asked: list[tuple[int, ...]]) -> dict[int, list[int]]:
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    model.generation_config.eos_token_id = None
    # What keeps its state in the model goes on from the last call's where a prompt has one token.
    keeps = not rerun_reason(model.config.to_dict())
    given = {}
    for number, prompt in enumerate(asked):
        made = model.generate(
            torch.tensor([prompt]), max_new_tokens=ANSWER, do_sample=False, pad_token_id=0, use_cache=keeps
        )
        given[number] = made[0, len(prompt) :].tolist()
    return given


def vocabulary() -> TokenVocabulary:
    words = {f"t{number}": number for number in range(VOCABULARY)}
    return TokenVocabulary(Tokenizer(models.WordLevel(words, unk_token="t0")))


def answers(model: StepModel, asked: list[tuple[int, ...]], slots: int) -> dict[int, list[int]]:
    engine = GenerationEngine(
        model, Decoding(vocabulary(), model.vocab_size, ()), GenerationSettings(slots=slots, step_tokens=48)
    )
    waiting = [
        GenerationRequest(number, prompt, max_tokens=ANSWER, ignore_eos=True, sampling=SamplingParams(temperature=0.0))
        for number, prompt in enumerate(asked)
    ]
    given: dict[int, list[int]] = {request.id: [] for request in waiting}
    running = 0
    while waiting or running:
        while waiting and running < slots:
            engine.submit(waiting.pop())
            running += 1
        for delta in engine.deltas(1.0):
            given[delta.request_id] += delta.token_ids
            running -= delta.usage is not None
    return given


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    loaded = []

    def load(engine: str, family: str) -> StepModel:
        facts: ModelFacts = tiny_decoder(tmp_path, family)
        folder, backend = tmp_path, Backend
        if engine == "openvino":
            folder, backend = tmp_path / "openvino", OpenVinoBackend
            folder.mkdir()
            OpenVinoBackend().convert(facts, OpenVinoBackend().conversions()[0], tmp_path, folder)
            facts = replace(facts, format="openvino")
        else:
            backend = CpuBackend
        model: Any = backend().load(facts, folder, "CPU", LoadOptions(precision="fp32"))
        loaded.append(model)
        return model  # type: ignore[no-any-return]  # transformers has no types

    yield load
    for model in loaded:
        model.close()


def assert_as_transformers(load: Load, tmp_path: Path, engine: str, family: str) -> None:
    model = load(engine, family)
    asked = prompts()
    right = expected(tmp_path, asked)
    per_sequence = -(-model.max_positions // model.cache.block_size)
    model.allocate(2 * per_sequence)
    assert answers(model, asked[:2], 1) == {0: right[0], 1: right[1]}
    assert answers(model, asked, SLOTS) == right


@pytest.mark.timeout(600)  # a converted model takes minutes beside other work
@pytest.mark.parametrize(("engine", "family"), SAMPLE)
def test_answers_are_those_of_transformers(load: Load, tmp_path: Path, engine: str, family: str) -> None:
    assert_as_transformers(load, tmp_path, engine, family)


@pytest.mark.slow
@pytest.mark.timeout(600)  # a converted model takes minutes beside other work
@pytest.mark.parametrize(("engine", "family"), [pair for pair in EVERY if pair not in SAMPLE])
def test_answers_of_every_family_are_those_of_transformers(
    load: Load, tmp_path: Path, engine: str, family: str
) -> None:
    assert_as_transformers(load, tmp_path, engine, family)
