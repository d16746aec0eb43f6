"""What OpenVINO gives a step model: tokens a second of a plain loop over it, by settings, without the generation core.

    python -m benchmarks.generation.openvino [--layers 30] [--new 64] [--rounds 3]

The model is a seeded Llama of SmolLM2-135M's shape, converted first. Prompts of 150 tokens, at most 512 tokens a step,
greedy. The settings take turns within a round, so that a busy moment of the machine falls on all of them; told are the
best round's tokens a second and its CPU seconds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from panope_backends.api import StepBatch, StepModel, StepSequence
from panope_backends.engines.openvino.backend import MODEL_FILE, OpenVinoBackend
from panope_backends.engines.openvino.paged.load import load_step_model
from panope_backends.engines.openvino.runtime import import_runtime
from panope_backends.testing.decoders import tiny_decoder

PROMPT = 150
STEP_TOKENS = 512
SEQUENCES = (1, 8, 32)

SHAPE = {
    "vocab_size": 49152,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "max_position_embeddings": 2048,
}

LATENCY: Mapping[str, object] = {"PERFORMANCE_HINT": "LATENCY"}
UNPINNED: Mapping[str, object] = {**LATENCY, "ENABLE_CPU_PINNING": False}

#: Name -> OpenVINO's settings, and the cache's precision.
SETTINGS: Mapping[str, tuple[Mapping[str, object], str]] = {
    "no hint": ({}, "bf16"),
    "latency": (LATENCY, "bf16"),
    "latency, not pinned": (UNPINNED, "bf16"),
    "latency, cache u8": (LATENCY, "u8"),
}


class Loop:
    """Greedy answers of one length to some prompts.

    Args:
        model: with a cache that is large enough.
        sequences: how many.
    """

    def __init__(self, model: StepModel, sequences: int) -> None:
        self._model = model
        random = np.random.default_rng(0)
        self._texts = [random.integers(0, model.vocab_size, PROMPT).tolist() for _ in range(sequences)]
        self._past = [0] * sequences
        per_text = model.blocks // sequences
        self._tables = [range(number * per_text, (number + 1) * per_text) for number in range(sequences)]

    def run(self, new: int) -> None:
        """Answers all of them."""
        while parts := list(self._parts(PROMPT + new - 1)):
            logits = self._model.forward(StepBatch.of([self._sequence(*part) for part in parts]))
            for (number, end), token in zip(parts, logits.argmax(axis=1).tolist(), strict=True):
                self._past[number] = end
                if end == len(self._texts[number]):
                    self._texts[number].append(token)

    def _parts(self, last: int) -> Iterator[tuple[int, int]]:
        """The sequences of a step, and where each then ends."""
        budget = STEP_TOKENS
        for number, (text, past) in enumerate(zip(self._texts, self._past, strict=True)):
            taken = min(budget, len(text) - past)
            if past < last and taken:
                budget -= taken
                yield number, past + taken

    def _sequence(self, number: int, end: int) -> StepSequence:
        past = self._past[number]
        blocks = self._tables[number][: -(-end // self._model.cache.block_size)]
        return StepSequence(self._texts[number][past:end], past, blocks)


def convert(folder: Path, layers: int) -> Path:
    """Writes the model and converts it; its file."""
    source, out = folder / "source", folder / "openvino"
    source.mkdir()
    out.mkdir()
    facts = tiny_decoder(source, "llama", **SHAPE, num_hidden_layers=layers)
    backend = OpenVinoBackend()
    half = next(conversion for conversion in backend.conversions() if conversion.precision == "fp16")
    backend.convert(facts, half, source, out)
    return out / MODEL_FILE


def measured(model: StepModel, sequences: int, new: int) -> tuple[float, float]:
    """Tokens a second, and CPU seconds."""
    loop = Loop(model, sequences)
    wall, processor = time.perf_counter(), time.process_time()
    loop.run(new)
    return sequences * new / (time.perf_counter() - wall), time.process_time() - processor


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--layers", type=int, default=30)
    parser.add_argument("--new", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = convert(Path(folder), arguments.layers)
        models = {}
        for name, (settings, cache) in SETTINGS.items():
            configuration = {**settings, "INFERENCE_PRECISION_HINT": "bf16"}
            model = load_step_model(import_runtime(), file, configuration, precision="bf16", cache_precision=cache)
            model.allocate(max(SEQUENCES) * -(-(PROMPT + arguments.new) // model.cache.block_size))
            models[name] = model
        best: dict[tuple[str, int], tuple[float, float]] = {}
        for _ in range(arguments.rounds):
            for sequences in SEQUENCES:
                for name, model in models.items():
                    found = measured(model, sequences, arguments.new)
                    best[name, sequences] = max(best.get((name, sequences), (0.0, 0.0)), found)
    print("| settings | sequences | tokens/s | CPU s |\n| --- | --- | --- | --- |")
    for (name, sequences), (speed, processor) in sorted(best.items(), key=lambda item: item[0][1]):
        print(f"| {name} | {sequences} | {speed:.0f} | {processor:.1f} |")


if __name__ == "__main__":
    main()
