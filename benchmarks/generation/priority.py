"""What an urgent answer waits for beside others: the generation core over OpenVINO, in CPU time.

    python -m benchmarks.generation.priority [--layers 30] [--tokens 32] [--others 31] [--rounds 5]

A seeded Llama of SmolLM2-135M's shape in float32 on one thread. An answer is timed alone, beside others of its own
priority, and beside the same others with high priority, each in every round. It always comes when a step of the others
has just begun, which is the worst. Told is the CPU time of the process, which other programs change little, and the
core learns from it too; and how many tokens the others got a second meanwhile.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np

from benchmarks.generation.core import vocabulary
from benchmarks.generation.openvino import SHAPE, convert
from panope_backends.api import GenerationRequest, SamplingParams, StepModel
from panope_backends.engines.openvino.paged.load import load_step_model
from panope_backends.engines.openvino.runtime import import_runtime
from panope_backends.generation import Decoding, GenerationEngine, GenerationSettings, step_loop

PROMPT = 16
POSITIONS = 1024
CONFIGURATION = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "ENABLE_CPU_PINNING": False}
GREEDY = SamplingParams(temperature=0.0)


class Bench:
    """One engine, whose others never end.

    Args:
        others: answers that go on all the time.
        tokens: of an answer that is timed.
    """

    def __init__(self, model: StepModel, others: int, tokens: int) -> None:
        decoding = Decoding(vocabulary(), model.vocab_size, ())
        self._engine = GenerationEngine(model, decoding, GenerationSettings(slots=others + 1))
        self._numbers: Iterator[int] = count()
        self._tokens = tokens
        self._others = others
        self._running: set[int] = set()

    def timed(self, others: int, priority: int) -> tuple[float, float]:
        """CPU seconds of one answer beside others, and the tokens that those had in a second."""
        while len(self._running) > others:
            self._engine.cancel(self._running.pop())
        while len(self._running) < others:
            self._running.add(self._submit(POSITIONS - PROMPT, 0))
        for _ in range(8):  # until all that was begun decodes
            self._step(None)
        started, had = time.process_time(), 0
        if others:
            had += self._step(None)[0]
        urgent, ended = self._submit(self._tokens, priority), False
        while not ended:
            tokens, ended = self._step(urgent)
            had += tokens
        seconds = time.process_time() - started
        return seconds, had / seconds

    def _submit(self, tokens: int, priority: int) -> int:
        number = next(self._numbers)
        prompt = tuple(np.random.default_rng(number).integers(0, SHAPE["vocab_size"], PROMPT).tolist())
        self._engine.submit(GenerationRequest(number, prompt, sampling=GREEDY, max_tokens=tokens, priority=priority))
        return number

    def _step(self, urgent: int | None) -> tuple[int, bool]:
        """How many tokens the others got, and whether the urgent answer has ended."""
        had, ended = 0, False
        for delta in self._engine.deltas(0):
            had += len(delta.token_ids) if delta.request_id != urgent else 0
            ended = ended or (delta.request_id == urgent and delta.finish_reason is not None)
            if delta.finish_reason is not None and delta.request_id in self._running:
                self._running.remove(delta.request_id)
                self._running.add(self._submit(POSITIONS - PROMPT, 0))
        return had, ended


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=30)
    parser.add_argument("--tokens", type=int, default=32, help="of the answer that is timed")
    parser.add_argument("--others", type=int, default=31)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    step_loop.perf_counter = time.process_time  # type: ignore[attr-defined] # steps last as long as they compute
    with tempfile.TemporaryDirectory() as folder:
        file = convert(Path(folder), options.layers)
        model = load_step_model(import_runtime(), file, CONFIGURATION, precision="fp32", cache_precision="fp32")
        model.allocate((options.others + 1) * -(-POSITIONS // model.cache.block_size))
        bench = Bench(model, options.others, options.tokens)
        cases = {"alone": (0, 1), "beside, normal": (options.others, 0), "beside, high": (options.others, 1)}
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
        for number in range(options.rounds + 1):
            for name, case in cases.items():
                times = bench.timed(*case)
                found[name] += [times] if number else []  # the first round warms up
    print("| answer | CPU ms | to alone | tokens a second of others |\n| --- | --- | --- | --- |")
    alone = statistics.median(seconds for seconds, _ in found["alone"])
    for name, rounds in found.items():
        seconds, others = (statistics.median(column) for column in zip(*rounds, strict=True))
        print(f"| {name} | {seconds * 1000:.0f} | {seconds / alone:.2f} | {others:.0f} |")


if __name__ == "__main__":
    main()
