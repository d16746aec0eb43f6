"""Makes the weights of a model's linear layers 8 bits wide by torchao, and proves that it is still the same model.

Each row of a weight has a scale, and what is computed stays in floats. transformers writes and reads such weights: they
are safetensors, and config.json says in `quantization_config` how they are packed (docs/decisions/0536).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from panope_backends.api import ModelFacts
from panope_backends.engines.equivalence import Arrays, prove_alike
from panope_backends.engines.refusals import refused_as
from panope_backends.engines.torch.decoder.loading import load_decoder
from panope_backends.engines.torch.encoder.transformer import load_transformer
from panope_backends.engines.torch.pretrained import TORCHAO
from panope_backends.errors import PreconditionError

GENERATE = "generate"

LEAST_COSINE = 0.99
"""To the original, that results must reach. MiniLM: 0.9991."""

_PACKING = "quantization_config"


def quantize(model: ModelFacts, folder: Path, out: Path) -> None:
    """Writes the smaller weights, and config.json, which tells of them.

    Args:
        model: of texts, that PyTorch runs.
        folder: its files.
        out: the folder for what is made.

    Raises:
        PreconditionError: the model cannot be loaded, has no linear layers, or becomes another one.
    """
    original, names, output = _loaded(model, folder)
    smaller, _, _ = _loaded(model, folder)
    with refused_as("torchao cannot quantize this model"):
        _quantize(smaller)
        smaller.save_pretrained(out)
    del smaller
    config = json.loads((folder / "config.json").read_text())
    packing = json.loads((out / "config.json").read_text())[_PACKING]
    (out / "config.json").write_text(json.dumps({**config, _PACKING: packing}, indent=2))
    made, _, _ = _loaded(replace(model, format=TORCHAO), out)
    described = original.config.get_text_config()
    with refused_as("PyTorch cannot run the quantized model"):
        prove_alike(
            _run(original, output),
            _run(made, output),
            names,
            int(described.vocab_size),
            int(getattr(described, "max_position_embeddings", 0) or 0),
            at_least=LEAST_COSINE,
        )


def _loaded(model: ModelFacts, folder: Path) -> tuple[Any, tuple[str, ...], str]:
    """A model of transformers, the names of its inputs and of its output."""
    from transformers import PreTrainedModel

    if model.task == GENERATE:
        return load_decoder(model, folder, "fp32", None), ("input_ids", "attention_mask"), "logits"
    module, names, output = load_transformer(model, folder, "fp32")
    if not isinstance(module, PreTrainedModel):
        raise PreconditionError(
            "torchao's weights are made of models that transformers runs as they are; this one has a part beside it",
            reason="unsupported_model",
        )
    return module, names, output


def _quantize(module: Any) -> None:
    """Quantizes all linear layers but the one that makes logits of words, whose errors change answers most."""
    from torchao.quantization import Int8WeightOnlyConfig, quantize_
    from transformers import TorchAoConfig
    from transformers.quantizers.quantizer_torchao import TorchAoHfQuantizer

    head = module.get_output_embeddings()
    linear = {part for part in module.modules() if isinstance(part, torch.nn.Linear) and part is not head}
    if not linear:
        raise PreconditionError("the model has no linear layers, which alone get smaller", reason="unsupported_model")
    quantize_(module, Int8WeightOnlyConfig(), filter_fn=lambda part, _: part in linear)
    packing = TorchAoConfig(Int8WeightOnlyConfig())
    module.config.quantization_config = packing
    module.hf_quantizer = TorchAoHfQuantizer(packing, pre_quantized=False)


def _run(module: Any, output: str) -> Callable[[Arrays], np.ndarray[Any, Any]]:
    def run(arrays: Arrays) -> np.ndarray[Any, Any]:
        with torch.inference_mode():
            found: np.ndarray[Any, Any] = module(**{name: torch.from_numpy(each) for name, each in arrays.items()})[
                output
            ].numpy()
            return found

    return run
