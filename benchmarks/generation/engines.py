"""Engines of generation in this process beside transformers' own `generate`, interleaved.

    python -m benchmarks.generation.engines [--model llama-135m|smollm2] [--rounds 3] [--tokens 32] [--prompt 150]
                                           [--widths 1,8]

The core over the PyTorch engine and `generate` compute the same weights in float32, greedily; prompts of one length, so
that `generate` pads nothing. llama.cpp runs the demo's GGUF file, which is SmolLM2 in 4 bits, the seeded model's shape
with a larger vocabulary: its figure tells of the engine and its weights' precision together. Ratios are to `generate`
within a round.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from benchmarks.generation.models import ARCHITECTURE, BenchmarkModel, add_model
from benchmarks.generation.results import Clock, Measured, Results, print_rows
from panope_backends.api import GenerationRequest, LoadOptions, ModelFacts, SamplingParams, StepModel, TokenModel
from panope_backends.errors import OverloadedError
from panope_backends.generation import Decoding, GenerationEngine, GenerationSettings
from panope_backends.generation.text.vocabulary import TokenVocabulary
from panope_backends.plugins import load_backend
from panope_server.cli.server.demo import CHAT

BLOCKS = 512
Run = Callable[[Sequence[list[int]], int], Measured]


def by_token_model(model: TokenModel) -> Run:
    """Greedy answers of a model that samples itself, or of the core over one that does not."""

    def run(prompts: Sequence[list[int]], new: int) -> Measured:
        clock, cpu = Clock(), time.process_time()
        sampling = SamplingParams(temperature=0)
        waiting = [
            GenerationRequest(number, tuple(prompt), sampling=sampling, max_tokens=new, ignore_eos=True)
            for number, prompt in enumerate(prompts)
        ]
        left = len(prompts)
        while left:
            with suppress(OverloadedError):  # the rest waits for slots
                while waiting:
                    model.submit(waiting[0])
                    waiting.pop(0)
            for delta in model.deltas(0.1):
                for _ in delta.token_ids or delta.text[:1]:  # llama.cpp tells texts alone
                    clock.token(delta.request_id)
                left -= delta.usage is not None
        return clock.measured(new * len(prompts), time.process_time() - cpu)

    return run


def by_transformers(folder: Path) -> Run:
    """`generate`, all prompts as one batch; its tokens come with the end, so that no times between them are told."""
    import torch
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    model.generation_config.eos_token_id = None

    def run(prompts: Sequence[list[int]], new: int) -> Measured:
        clock, cpu = Clock(), time.process_time()
        with torch.inference_mode():
            model.generate(torch.tensor(prompts), max_new_tokens=new, do_sample=False, pad_token_id=0)
        for number in range(len(prompts)):
            clock.token(number)
        return clock.measured(new * len(prompts), time.process_time() - cpu)

    return run


def torch_core(of: BenchmarkModel) -> GenerationEngine:
    """The core over the PyTorch engine."""
    facts = ModelFacts(of.name, "safetensors", "generate", ARCHITECTURE, of.config)
    model = load_backend("cpu").load(facts, of.source, "CPU", LoadOptions(precision="fp32"))
    assert isinstance(model, StepModel)
    model.allocate(BLOCKS)
    vocabulary = TokenVocabulary(Tokenizer.from_file(str(of.source / "tokenizer.json")))
    return GenerationEngine(model, Decoding(vocabulary, model.vocab_size, ()), GenerationSettings())


def llama_cpp(folder: Path) -> TokenModel:
    """llama.cpp over the demo's file."""
    facts = ModelFacts(CHAT.name, "gguf", "generate", "", {})
    model = load_backend("llama-cpp").load(facts, folder, "CPU", LoadOptions(slots=8, prefix_cache=False))
    assert isinstance(model, TokenModel)
    return model


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_model(parser)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--prompt", type=int, default=150)
    parser.add_argument("--widths", type=lambda text: tuple(map(int, text.split(","))), default=(1, 8))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    model: BenchmarkModel = arguments.model
    runs = {"transformers": by_transformers(model.source), "core over PyTorch": by_token_model(torch_core(model))}
    if CHAT.path is not None and any(CHAT.path.rglob("*.gguf")):
        runs["llama.cpp, GGUF"] = by_token_model(llama_cpp(CHAT.path))
    random = np.random.default_rng(time.time_ns())
    vocabulary = model.config["vocab_size"]
    results = Results(("transformers",))
    for number in range(arguments.rounds + 1):  # the first warms up and does not count
        for width in arguments.widths:
            for name, run in runs.items():
                measured = run(random.integers(1000, vocabulary, (width, arguments.prompt)).tolist(), arguments.tokens)
                if number:
                    results.add(f"{name}, {width}", measured)
    rows = list(results.rows())
    print_rows(rows)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "generation_engines.json").write_text(
        json.dumps({"model": model.name, "rows": rows}, indent=2) + "\n"
    )


if __name__ == "__main__":
    main()
