"""Generation on a GPU: the core over PyTorch beside transformers' continuous batching, interleaved in one run.

    python -m benchmarks.generation.gpu [--device cuda:0] [--rounds 3] [--tokens 128] [--prompt 150] [--widths 1,8,32]

Both run the same seeded weights, of a llama of 135 million parameters, or those of `--model FOLDER`, in the precision
that the device computes in unasked, greedily. Without a GPU it runs on the processor, so that the script itself is
tried: `--widths 1,4 --tokens 8 --prompt 32 --rounds 1`. It tells the device, how the core attends to its pages, and the
most memory that PyTorch had.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from benchmarks.generation.engines import Run, by_token_model
from benchmarks.generation.models import SEEDED
from benchmarks.generation.results import Clock, Measured, Results, print_rows
from panope_backends.api import Device, LoadOptions, ModelFacts
from panope_backends.engines.torch.decoder.paged_model import TorchStepModel
from panope_backends.engines.torch.torch_backend import TorchBackend
from panope_backends.generation import Decoding, GenerationEngine, GenerationSettings
from panope_backends.generation.text.vocabulary import TokenVocabulary
from panope_backends.plugins import load_backend

BACKENDS = ("torch-cuda", "torch-rocm", "mps", "cpu")
DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}

#: Of the core's cache, enough for the widest run.
CACHE_TOKENS = 64 * 1024


def found_device(name: str) -> tuple[TorchBackend, Device]:
    """The device of a name, or without one the first there is; the reasons of what is missing are printed."""
    for backend_name in BACKENDS:
        backend = load_backend(backend_name)
        assert isinstance(backend, TorchBackend)
        for device in backend.devices():
            if not device.available:
                print(f"{backend_name}: {device.reason}")
            elif name in ("", device.name):
                return backend, device
    raise SystemExit(f"there is no device `{name}`")


def core(folder: Path, backend: TorchBackend, device: Device, precision: str) -> tuple[Run, TorchStepModel]:
    """The core over the engine, and the step model under it."""
    config = json.loads((folder / "config.json").read_text())
    facts = ModelFacts(SEEDED.name, "safetensors", "generate", config["architectures"][0], config)
    model = backend.load(facts, folder, device.name, LoadOptions(precision=precision))
    assert isinstance(model, TorchStepModel)
    model.allocate(CACHE_TOKENS // model.cache.block_size)
    vocabulary = TokenVocabulary(Tokenizer.from_file(str(folder / "tokenizer.json")))
    # Prompts are drawn at random, so that nothing of one is of use to another.
    settings = GenerationSettings(prefix_cache=False)
    return by_token_model(GenerationEngine(model, Decoding(vocabulary, model.vocab_size, ()), settings)), model


def continuous(folder: Path, torch_name: str, precision: str) -> Run:
    """The continuous batching of transformers, with its own choice of attention; one manager for all rounds."""
    import torch
    from transformers import AutoModelForCausalLM, ContinuousBatchingConfig, GenerationConfig

    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, DTYPES[precision]))
    model = model.to(torch_name).eval()
    settings = GenerationConfig(do_sample=False, eos_token_id=-1, pad_token_id=0)
    memory = ContinuousBatchingConfig(num_blocks=CACHE_TOKENS // 256, page_size=256, allow_block_sharing=False)
    manager = model.init_continuous_batching(generation_config=settings, continuous_batching_config=memory)
    manager.start()
    numbers = itertools.count()

    def run(prompts: Sequence[list[int]], new: int) -> Measured:
        clock, cpu = Clock(), time.process_time()
        first = next(numbers)
        names = [str(first), *(str(next(numbers)) for _ in prompts[1:])]
        for name, prompt in zip(names, prompts, strict=True):
            manager.add_request(prompt, name, max_new_tokens=new, streaming=True)
        told = dict.fromkeys(names, 0)
        while min(told.values()) < new:
            output = manager.get_result(timeout=60)
            if output is None or output.error:
                raise SystemExit(f"transformers' continuous batching failed: {output and output.error}")
            for _ in range(len(output.generated_tokens) - told[output.request_id]):
                clock.token(names.index(output.request_id))
            told[output.request_id] = len(output.generated_tokens)
        return clock.measured(new * len(prompts), time.process_time() - cpu)

    return run


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="", help="such as cuda:0; the first there is by default")
    parser.add_argument("--precision", default="", choices=["", *DTYPES], help="the device's own by default")
    parser.add_argument("--model", type=Path, help="a folder with weights and a tokenizer; seeded weights by default")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--prompt", type=int, default=150)
    parser.add_argument("--widths", type=lambda text: tuple(map(int, text.split(","))), default=(1, 8, 32))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    backend, device = found_device(arguments.device)
    folder: Path = arguments.model or SEEDED.source
    precision = arguments.precision or device.precisions[0]
    run_core, model = core(folder, backend, device, precision)
    attends = f"{model.attention.name} with pages of {model.attention.block_size}"
    title = f"{device.backend} {device.name} ({device.description}), {precision}, {device.engine_version}"
    print(f"{title}; the core attends by {attends}")
    runs = {
        "transformers": continuous(folder, backend.rule.open(device.name).torch_name, precision),
        "core over PyTorch": run_core,
    }
    random = np.random.default_rng(time.time_ns())
    results = Results(("transformers",))
    for number in range(arguments.rounds + 1):  # the first warms up and does not count
        for width in arguments.widths:
            for name, run in runs.items():
                prompts = random.integers(1000, model.vocab_size, (width, arguments.prompt)).tolist()
                measured = run(prompts, arguments.tokens)
                if number:
                    results.add(f"{name}, {width}", measured)
    rows = list(results.rows())
    print_rows(rows)
    peak = _peak_bytes(backend.rule.open(device.name).torch_name)
    if peak:
        print(f"most memory of the device: {peak / 1e9:.2f} GB, both models together")
    arguments.out.mkdir(parents=True, exist_ok=True)
    told = {"device": title, "attention": attends, "peak_bytes": peak, "rows": rows}
    (arguments.out / "generation_gpu.json").write_text(json.dumps(told, indent=2) + "\n")


def _peak_bytes(torch_name: str) -> int:
    if not torch_name.startswith("cuda"):
        return 0
    import torch

    return int(torch.cuda.max_memory_allocated(torch_name))


if __name__ == "__main__":
    main()
