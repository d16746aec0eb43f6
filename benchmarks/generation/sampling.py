"""What choosing the next tokens costs a step, over the size of the vocabulary, the rows and the settings.

    python -m benchmarks.generation.sampling [--rounds 9] [--out benchmarks/results]

CPU milliseconds of one step in one thread, the median over rounds in which the cases take turns. Logits have the shape
of a trained model's: a few likely tokens and a long tail, in which top_p 0.95 leaves some tens of tokens. Of `wide`
ones it leaves thousands, of `flat` ones, the worst case, tens of thousands.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from panope_backends.api import SamplingParams
from panope_backends.generation.grammar.bitmasks import mask_of
from panope_backends.generation.sampling.sampler import Sampler
from panope_backends.generation.sampling.sampling_state import SamplingState

VOCABULARIES = (49_152, 151_936)
ROWS = (1, 8, 32)

Array = np.ndarray[Any, Any]

SETTINGS: dict[str, dict[str, Any]] = {
    "greedy": {"temperature": 0.0},
    "temperature": {},
    "top_k 50": {"top_k": 50},
    "top_p 0.95": {"top_p": 0.95},
    "top_p 0.95, wide": {"top_p": 0.95},
    "top_p 0.95, flat": {"top_p": 0.95},
    "min_p 0.05": {"min_p": 0.05},
    "top_k, top_p, penalties": {"top_k": 50, "top_p": 0.95, "repetition_penalty": 1.1, "frequency_penalty": 0.2},
    "greedy, grammar's mask": {"temperature": 0.0},
    "greedy, 20 logprobs": {"temperature": 0.0},
}

#: Of normal logits, in place of a trained model's.
SPREADS = {"wide": 3.75, "flat": 1.0}

#: Milliseconds at 32 rows of the larger vocabulary.
AIMS = {"greedy": 3.0, "top_p 0.95": 10.0}


@dataclass(frozen=True)
class Row:
    """One case."""

    settings: str
    vocabulary: int
    rows: int
    milliseconds: float
    aim: float | None = None


def logits_of(rows: int, vocab: int, spread: float) -> Array:
    """Normal logits; a spread of 4 leaves a tenth of the probability to the tail of a large vocabulary."""
    random = np.random.default_rng(7)
    return (random.standard_normal((rows, vocab)) * spread).astype(np.float32)


def peaked(rows: int, vocab: int) -> Array:
    """Logits with some tens of likely tokens, as trained models have them."""
    logits = logits_of(rows, vocab, 2.0)
    random = np.random.default_rng(8)
    for row in logits:
        row[random.integers(0, vocab, 60)] += np.linspace(18, 8, 60, dtype=np.float32)
    return logits


def step(name: str, rows: int, vocab: int) -> Callable[[], object]:
    """One step of a case."""
    spread = SPREADS.get(name.rpartition(" ")[2])
    logits = peaked(rows, vocab) if spread is None else logits_of(rows, vocab, spread)
    prompt = np.random.default_rng(9).integers(0, vocab, 500).tolist()
    top = 20 if name.endswith("logprobs") else None
    params = SamplingParams(seed=3, **SETTINGS[name])
    states = [SamplingState(params, prompt, index=index, top_logprobs=top) for index in range(rows)]
    if name.endswith("mask"):
        for state in states:
            state.mask = mask_of(range(0, vocab, 3), vocab)
    sampler = Sampler(vocab, threads=1)

    def run() -> None:
        for state, token in zip(states, sampler.sample(logits, states), strict=True):
            state.append(token.token_id)

    return run


def milliseconds(run: Callable[[], object]) -> float:
    """CPU time of one step, as the mean of several."""
    begin, count = time.process_time(), 0
    while count < 2 or time.process_time() - begin < 0.02:
        run()
        count += 1
    return (time.process_time() - begin) / count * 1e3


def measured(rounds: int) -> list[Row]:
    """Every case; each round measures each once."""
    results = []
    for vocab in VOCABULARIES:
        for rows in ROWS:
            steps = {name: step(name, rows, vocab) for name in SETTINGS}
            times: dict[str, list[float]] = {name: [] for name in SETTINGS}
            for _ in range(rounds):
                for name, run in steps.items():
                    times[name].append(milliseconds(run))
            is_largest = vocab == VOCABULARIES[-1] and rows == ROWS[-1]
            results += [
                Row(name, vocab, rows, statistics.median(found), AIMS.get(name) if is_largest else None)
                for name, found in times.items()
            ]
    return results


def show(results: list[Row]) -> None:
    """A table for people."""
    table = Table("settings", *(f"{vocab:,} × {rows}" for vocab in VOCABULARIES for rows in ROWS), title="ms a step")
    for name in SETTINGS:
        cells = [
            f"{row.milliseconds:.2f}" + (f" (aim {row.aim:g})" if row.aim else "")
            for row in results
            if row.settings == name
        ]
        table.add_row(name, *cells)
    Console(width=140).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    results = measured(options.rounds)
    show(results)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "sampling.json").write_text(json.dumps([asdict(row) for row in results], indent=1) + "\n")


if __name__ == "__main__":
    main()
