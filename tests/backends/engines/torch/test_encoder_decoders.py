"""Encoder-decoders of many families in PyTorch: they pass the suite of step models, and answer as `generate` does.

transformers' own computation of the same weights is the reference of both.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models
from transformers import AutoModelForSeq2SeqLM

from panope_backends.api import (
    Backend,
    EncoderDecoderModel,
    GenerationRequest,
    Level,
    LoadOptions,
    ModelFacts,
    SamplingParams,
    StepModel,
)
from panope_backends.engines.torch import CpuBackend
from panope_backends.errors import PreconditionError
from panope_backends.generation import Decoding, GenerationEngine, GenerationSettings
from panope_backends.generation.text.vocabulary import TokenVocabulary
from panope_backends.testing import EncoderDecoderContract
from panope_backends.testing.encoder_decoders import (
    ENCODER_DECODERS,
    POSITIONS,
    REFUSED_ENCODER_DECODERS,
    VOCABULARY,
    reference_answer_logits,
    tiny_encoder_decoder,
)

#: Positions as distances; positions from a table.
SAMPLE = ("flan-t5", "bart")
REST = sorted(set(ENCODER_DECODERS) - set(SAMPLE))

ANSWER = 24
SEQUENCES = 16
SLOTS = 6
START = (1,)
ANY = 3
"""A token in the place of that of padding."""


class OfFamily(EncoderDecoderContract):
    """The suite with one family's model."""

    # The sums of T5 and its kin, which nothing scales, round further where a text comes token by token.
    tolerance = 3e-5

    @pytest.fixture
    def backend(self) -> Backend:
        return CpuBackend()

    @pytest.fixture
    def folder(self, family: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return tmp_path_factory.mktemp(family)

    @pytest.fixture
    def model(self, family: str, folder: Path) -> ModelFacts:
        self._written = folder
        return tiny_encoder_decoder(folder, family)

    def answer_reference(self, source: list[int], tokens: list[int]) -> np.ndarray[Any, Any]:
        return reference_answer_logits(self._written, source, tokens)

    # M2M-100 gives tokens of padding no position, and takes those behind one for earlier ones.
    def text(self, decoder: StepModel, seed: int = 0, length: int = 0) -> list[int]:
        return [token or ANY for token in super().text(decoder, seed, length)]

    def source_text(self, decoder: EncoderDecoderModel, seed: int = 0, length: int = 0) -> list[int]:
        return [token or ANY for token in super().source_text(decoder, seed, length)]


class TestOneFamily(OfFamily):
    @pytest.fixture
    def family(self) -> str:
        return SAMPLE[0]


@pytest.mark.slow
class TestEveryFamily(OfFamily):
    @pytest.fixture(params=[*SAMPLE[1:], *REST])
    def family(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)


@pytest.fixture
def loaded(family: str, tmp_path: Path) -> Iterator[EncoderDecoderModel]:
    facts = tiny_encoder_decoder(tmp_path, family)
    # Threads that wait for each other beside other programs' make these tests many times slower.
    model = CpuBackend().load(facts, tmp_path, "CPU", LoadOptions(precision="fp32", threads=1))
    assert isinstance(model, EncoderDecoderModel)
    yield model
    model.close()


def prompts() -> list[tuple[int, ...]]:
    random = np.random.default_rng(7)
    lengths = random.integers(1, 60, SEQUENCES).tolist()
    return [tuple(random.integers(3, VOCABULARY, length).tolist()) for length in lengths]


def expected(folder: Path, asked: list[tuple[int, ...]]) -> dict[int, list[int]]:
    model = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    model.generation_config.eos_token_id = None
    given = {}
    for number, prompt in enumerate(asked):
        made = model.generate(
            torch.tensor([prompt]),
            max_new_tokens=ANSWER,
            do_sample=False,
            num_beams=1,
            pad_token_id=0,
            suppress_tokens=[0],
            decoder_start_token_id=START[0],
        )
        given[number] = made[0, 1:].tolist()
    return given


def answers(model: EncoderDecoderModel, asked: list[tuple[int, ...]], slots: int) -> dict[int, list[int]]:
    words = {f"t{number}": number for number in range(VOCABULARY)}
    vocabulary = TokenVocabulary(Tokenizer(models.WordLevel(words, unk_token="t0")))
    model.allocate_sources(slots)
    engine = GenerationEngine(
        model,
        Decoding(vocabulary, model.vocab_size, ()),
        GenerationSettings(slots=slots, step_tokens=48, decoder_token_ids=START),
    )
    # Transformers takes tokens of padding for no tokens, in the answer too.
    sampling = SamplingParams(temperature=0.0, logit_bias={0: -1e9})
    waiting = [
        GenerationRequest(number, prompt, max_tokens=ANSWER, ignore_eos=True, sampling=sampling)
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


def assert_as_transformers(model: EncoderDecoderModel, folder: Path) -> None:
    """Alone, and among 16 requests on 6 slots and few blocks: they join, leave and are pre-empted."""
    asked = prompts()
    right = expected(folder, asked)
    assert len({tuple(answer) for answer in right.values()}) > 1
    model.allocate(-(-POSITIONS // model.cache.block_size))
    assert answers(model, asked[:2], 1) == {0: right[0], 1: right[1]}
    assert answers(model, asked, SLOTS) == right


@pytest.mark.parametrize("family", SAMPLE)
def test_answers_are_those_of_transformers(loaded: EncoderDecoderModel, tmp_path: Path) -> None:
    assert_as_transformers(loaded, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("family", REST)
def test_answers_of_every_family_are_those_of_transformers(loaded: EncoderDecoderModel, tmp_path: Path) -> None:
    assert_as_transformers(loaded, tmp_path)


@pytest.mark.parametrize("family", REFUSED_ENCODER_DECODERS)
def test_a_type_that_does_not_run_in_steps_is_refused_with_the_reason(family: str) -> None:
    kind, _ = REFUSED_ENCODER_DECODERS[family]
    facts = ModelFacts("test/refused", "safetensors", "generate", "", {"model_type": kind, "is_encoder_decoder": True})
    (device,) = CpuBackend().devices()
    support = CpuBackend().supports(facts, device)
    assert support.level is Level.NONE
    assert f"`{kind}`" in support.reason or kind == "switch_transformers"


def test_a_type_that_nobody_knew_of_is_refused_when_it_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here one whose decoder counts positions from the end of what it reads, which no step knows."""
    from transformers.models.bart import modeling_bart

    class FromTheEnd(modeling_bart.BartLearnedPositionalEmbedding):  # type: ignore[misc]  # it ships no types
        def forward(self, *arguments: object, **keywords: object) -> torch.Tensor:
            positions: torch.Tensor = super().forward(*arguments, **keywords)
            return positions.flip(1)

    facts = tiny_encoder_decoder(tmp_path, "bart")
    monkeypatch.setattr(modeling_bart, "BartLearnedPositionalEmbedding", FromTheEnd)
    with pytest.raises(PreconditionError) as refusal:
        CpuBackend().load(facts, tmp_path, "CPU", LoadOptions(precision="fp32"))
    assert refusal.value.reason == "unsupported_model"
