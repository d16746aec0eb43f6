"""What the generation core itself costs a step: scheduling, drawing and texts over a step model that costs nothing.

    python -m benchmarks.generation.core [--steps 300] [--rounds 5]

Each round decodes with 1, 8 and 32 sequences in turn, so that a busy moment of the machine falls on all of them. Told
is the CPU time a step, that of the sampler's threads included: the median over all steps, and that of the slowest
hundredth. With a small vocabulary it is the core's own; with a large one most of it is reading the logits.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from panope_backends.api import CacheSpec, GenerationRequest, SamplingParams, StepBatch, StepModel
from panope_backends.generation import Decoding, GenerationEngine, GenerationSettings
from panope_backends.generation.text.vocabulary import TokenVocabulary

PROMPT_TOKENS = 200
BLOCK_SIZE = 32

KINDS = {
    "greedy": SamplingParams(temperature=0.0),
    "top_p 0.9": SamplingParams(temperature=0.8, top_p=0.9, seed=1),
}


class FreeStepModel(StepModel):
    """Gives the same logits each step, without a look at the tokens."""

    precision = "fp32"
    max_positions = 8192
    cache = CacheSpec(BLOCK_SIZE, 1, "fp32")

    def __init__(self, vocab_size: int) -> None:
        self.vocab_size = vocab_size
        self._logits = np.random.default_rng(0).normal(0, 3, (64, vocab_size)).astype(np.float32)

    def allocate(self, blocks: int) -> None:
        """Holds nothing."""
        self.blocks = blocks

    def forward(self, batch: StepBatch) -> np.ndarray[Any, Any]:
        """Checks the batch, as every engine does."""
        self.check(batch)
        return self._logits[: len(batch.sampled)]

    def copy_blocks(self, copies: Sequence[tuple[int, int]]) -> None:
        """Holds nothing."""


def vocabulary() -> TokenVocabulary:
    """A byte-level tokenizer of 256 tokens; ids behind them have no text."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({character: place for place, character in enumerate(alphabet)}, []))
    tokenizer.decoder = decoders.ByteLevel()
    return TokenVocabulary(tokenizer)


def step_times(model: StepModel, params: SamplingParams, sequences: int, steps: int) -> list[float]:
    """The CPU seconds of steps in which all sequences decode."""
    engine = GenerationEngine(model, Decoding(vocabulary(), model.vocab_size, ()), GenerationSettings(slots=sequences))
    for number in range(sequences):
        prompt = tuple(np.random.default_rng(number).integers(0, 256, PROMPT_TOKENS).tolist())
        engine.submit(GenerationRequest(number, prompt, sampling=params))
    while len(engine.deltas(0)) < sequences:
        pass
    times = []
    for _ in range(steps):
        started = time.process_time()
        engine.deltas(0)
        times.append(time.process_time() - started)
    engine.close()
    return times


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print("| vocabulary | sampling | sequences | ms a step | p99 |\n| --- | --- | --- | --- | --- |")
    for vocab_size in (1_000, 150_000):
        model = FreeStepModel(vocab_size)
        model.allocate(20_000)
        for kind, params in KINDS.items():
            times: dict[int, list[float]] = {1: [], 8: [], 32: []}
            for _ in range(arguments.rounds):
                for sequences, collected in times.items():
                    collected += step_times(model, params, sequences, arguments.steps)
            for sequences, collected in times.items():
                median, slow = statistics.median(collected) * 1e3, np.percentile(collected, 99) * 1e3
                print(f"| {vocab_size:,} | {kind} | {sequences} | {median:.3f} | {slow:.3f} |")


if __name__ == "__main__":
    main()
