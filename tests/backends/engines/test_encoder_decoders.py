"""Encoder-decoders of many families on every engine: they pass the suite of step models, and answer as `generate` does.

transformers' own computation of the same weights is the reference of both.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models
from transformers import AutoModelForSeq2SeqLM

from panope_backends.api import (
    Backend,
    Device,
    EncoderDecoderModel,
    GenerationRequest,
    Level,
    LoadedModel,
    LoadOptions,
    ModelFacts,
    SamplingParams,
    StepBatch,
    StepModel,
    StepSequence,
)
from panope_backends.engines.openvino.backend import OpenVinoBackend
from panope_backends.engines.torch import CpuBackend
from panope_backends.errors import PreconditionError
from panope_backends.generation import Decoding, GenerationEngine, GenerationSettings
from panope_backends.generation.text.vocabulary import TokenVocabulary
from panope_backends.testing import EncoderDecoderContract
from panope_backends.testing.encoder_decoders import (
    ENCODER_DECODERS,
    POSITIONS,
    REFUSED_ENCODER_DECODERS,
    RERUN_ENCODER_DECODERS,
    VOCABULARY,
    reference_answer_logits,
    tiny_encoder_decoder,
)

ENGINES: Mapping[str, Backend] = {"cpu": CpuBackend(), "openvino": OpenVinoBackend()}

#: Positions as distances; positions from a table.
SAMPLE = [("cpu", "flan-t5"), ("cpu", "bart"), ("openvino", "flan-t5"), ("openvino", "marian")]
EVERY = [
    (engine, family)
    for engine in ENGINES
    for family in ENCODER_DECODERS
    if (engine, family) not in SAMPLE and (engine, family) != ("openvino", "nllb-moe")
]

RERUN = [("cpu", family) for family in RERUN_ENCODER_DECODERS if family != "mvp"]

ANSWER = 24
SEQUENCES = 16
SLOTS = 6
START = (1,)
ANY = 3
"""A token in the place of that of padding."""


@dataclass(frozen=True)
class Written:
    """A model, as transformers has it in `source` and as an engine loads it from `folder`."""

    facts: ModelFacts
    source: Path
    folder: Path


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Written]:
    """Writes each once."""
    done: dict[tuple[str, str], Written] = {}

    def written(engine: str, family: str) -> Written:
        if (engine, family) not in done:
            source = folder = tmp_path_factory.mktemp(family)
            facts = tiny_encoder_decoder(source, family)
            if engine == "openvino":
                folder = tmp_path_factory.mktemp(f"{family}-{engine}")
                backend = OpenVinoBackend()
                exact = next(each for each in backend.conversions() if each.precision == "fp32")
                backend.convert(facts, exact, source, folder)
                facts = replace(facts, format="openvino")
            done[engine, family] = Written(facts, source, folder)
        return done[engine, family]

    return written


class OfFamily(EncoderDecoderContract):
    """The suite with one family's model on one engine."""

    # The sums of T5 and its kin, which nothing scales, round further where a text comes token by token.
    tolerance = 3e-5

    @pytest.fixture
    def backend(self, case: tuple[str, str]) -> Backend:
        return ENGINES[case[0]]

    @pytest.fixture
    def model(self, case: tuple[str, str], write: Callable[[str, str], Written]) -> ModelFacts:
        self._written = write(*case)
        return self._written.facts

    @pytest.fixture
    def loaded(self, backend: Backend, model: ModelFacts, folder: Path, device: Device) -> Iterator[LoadedModel]:
        made = backend.load(model, folder, device.name, LoadOptions(precision="fp32", threads=1))
        yield made
        made.close()

    @pytest.fixture
    def folder(self, model: ModelFacts) -> Path:
        return self._written.folder

    def answer_reference(self, source: list[int], tokens: list[int]) -> np.ndarray[Any, Any]:
        return reference_answer_logits(self._written.source, source, tokens)

    # M2M-100 gives tokens of padding no position, and takes those behind one for earlier ones.
    def text(self, decoder: StepModel, seed: int = 0, length: int = 0) -> list[int]:
        return [token or ANY for token in super().text(decoder, seed, length)]

    def source_text(self, decoder: EncoderDecoderModel, seed: int = 0, length: int = 0) -> list[int]:
        return [token or ANY for token in super().source_text(decoder, seed, length)]


class TestSomeFamilies(OfFamily):
    @pytest.fixture(params=[SAMPLE[0], SAMPLE[2]], ids="-".join)
    def case(self, request: pytest.FixtureRequest) -> Any:
        return request.param


class TestTextsRunAnew(OfFamily):
    @pytest.fixture(params=[("cpu", "mvp")], ids="-".join)
    def case(self, request: pytest.FixtureRequest) -> Any:
        return request.param


@pytest.mark.slow
class TestEveryFamily(OfFamily):
    @pytest.fixture(params=[SAMPLE[1], SAMPLE[3], *EVERY, *RERUN], ids="-".join)
    def case(self, request: pytest.FixtureRequest) -> Any:
        return request.param


@pytest.fixture
def loaded(engine: str, family: str, write: Callable[[str, str], Written]) -> Iterator[EncoderDecoderModel]:
    written = write(engine, family)
    # Threads that wait for each other beside other programs' make these tests many times slower.
    model = ENGINES[engine].load(written.facts, written.folder, "CPU", LoadOptions(precision="fp32", threads=1))
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


@pytest.mark.parametrize(("engine", "family"), SAMPLE)
def test_answers_are_those_of_transformers(
    loaded: EncoderDecoderModel, write: Callable[[str, str], Written], engine: str, family: str
) -> None:
    assert_as_transformers(loaded, write(engine, family).source)


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "family"), EVERY)
def test_answers_of_every_family_are_those_of_transformers(
    loaded: EncoderDecoderModel, write: Callable[[str, str], Written], engine: str, family: str
) -> None:
    assert_as_transformers(loaded, write(engine, family).source)


def test_openvino_computes_alike_in_what_it_is_fastest_in(write: Callable[[str, str], Written]) -> None:
    """Texts of any length after those of any other: OpenVINO takes other ways for longer ones."""
    written = write("openvino", "marian")
    backend = OpenVinoBackend()
    fastest = backend.devices()[0].precisions[0]
    model = backend.load(written.facts, written.folder, "CPU", LoadOptions(precision=fastest, threads=2))
    assert isinstance(model, EncoderDecoderModel)
    model.allocate(8)
    model.allocate_sources(1)
    random = np.random.default_rng(0)
    for source_length, length in ((1, 1), (40, 20), (17, 3), (5, 60), (64, 1)):
        source, tokens = (random.integers(3, VOCABULARY, count).tolist() for count in (source_length, length))
        model.encode(0, source)
        found = model.forward(StepBatch.of([StepSequence(tokens, 0, [3, 5][: -(-length // 32)], range(length), 0)]))
        right = reference_answer_logits(written.source, source, tokens)
        assert float((found * right).sum()) > 0.99 * float(np.linalg.norm(found) * np.linalg.norm(right))
    model.close()


@pytest.mark.parametrize("family", [*REFUSED_ENCODER_DECODERS, *RERUN_ENCODER_DECODERS, "nllb-moe"])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_type_that_does_not_run_in_steps_is_refused_with_the_reason(engine: str, family: str) -> None:
    if engine == "cpu" and family not in REFUSED_ENCODER_DECODERS:
        pytest.skip("PyTorch runs it")
    kind, _ = {**ENCODER_DECODERS, **RERUN_ENCODER_DECODERS, **REFUSED_ENCODER_DECODERS}[family]
    formats = {"cpu": "safetensors", "openvino": "openvino"}
    facts = ModelFacts(
        "test/refused", formats[engine], "generate", "", {"model_type": kind, "is_encoder_decoder": True}
    )
    device = ENGINES[engine].devices()[0]
    support = ENGINES[engine].supports(facts, device)
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
