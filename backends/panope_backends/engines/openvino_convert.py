"""Turns a transformers model in safetensors into OpenVINO's format and proves that it still computes the same."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from panope_backends.api import ModelFacts
from panope_backends.engines.openvino_runtime import import_converter
from panope_backends.engines.transformer import OUTPUT, load_transformer
from panope_backends.errors import PreconditionError

#: Up to this length both are compared, or up to the model's own if that is less. Attention windows in use (128 in
#: ModernBERT, 512 in Longformer and Gemma 3) change what is computed only past their size.
LONGEST = 1100

#: Largest difference from torch, both in float32, relative to the largest value. Seen: below 1e-6, MiniLM 1e-5.
TOLERANCE = 1e-3


def convert(model: ModelFacts, folder: Path, file: Path) -> None:
    """Writes `file` and the weights beside it, in float32, with any batch and any length.

    Raises:
        PreconditionError: the model cannot be loaded or traced, or the result computes something else.
    """
    # Of the ways to compute attention only `eager` masks with finite numbers. The others' give NaN in OpenVINO for
    # padding on the left of a decoder, whose first tokens see nothing. OpenVINO fuses `eager` attention all the same.
    module, names = load_transformer(model, folder, "fp32", attention="eager")
    graph = _trace(module, names)
    _compare(module, names, graph)
    openvino, _ = import_converter()
    openvino.save_model(graph, file, compress_to_fp16=False)


def _trace(module: Any, names: Sequence[str]) -> Any:
    import torch

    class Base(torch.nn.Module):  # type: ignore[misc]  # torch's types are not read (see pyproject.toml)
        """The model with one output; tracing takes no dictionaries."""

        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any = None) -> Any:
            more = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
            return self.module(input_ids=input_ids, attention_mask=attention_mask, **_options(module), **more)[OUTPUT]

    openvino, converter = import_converter()
    shape = openvino.PartialShape([-1, -1])
    with torch.inference_mode(), warnings.catch_warnings():
        # Tracing warns of every number that it may freeze; `_compare` finds those that matter.
        warnings.simplefilter("ignore")
        try:
            graph = converter.convert_model(
                Base().eval(),
                example_input=_example(module, names, batch=2, length=7),
                input=[(name, shape, openvino.Type.i64) for name in names],
            )
        except (RuntimeError, TypeError, ValueError, KeyError) as error:
            raise PreconditionError("OpenVINO cannot convert this model", reason="conversion_failed") from error
    graph.outputs[0].get_tensor().set_names({OUTPUT})
    return graph


def _compare(module: Any, names: Sequence[str], graph: Any) -> None:
    """Runs both at shapes that were not traced; a number or a branch frozen by tracing shows here."""
    openvino, _ = import_converter()
    try:
        compiled = openvino.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        longest = _longest(module.config)
        shapes = ((3, min(19, longest)), (1, longest))
        difference = float(np.max([_difference(module, names, compiled, *shape) for shape in shapes]))
    except RuntimeError as error:
        raise PreconditionError("OpenVINO cannot run the converted model", reason="conversion_failed") from error
    if not difference <= TOLERANCE:  # NaN fails too
        raise PreconditionError(
            f"the converted model's results differ by {difference:.1e} from the original's", reason="conversion_failed"
        )


def _difference(module: Any, names: Sequence[str], compiled: Any, batch: int, length: int) -> float:
    """The largest difference relative to the largest value, over real tokens: what lies in padding means nothing."""
    import torch

    example = _example(module, names, batch=batch, length=length)
    with torch.inference_mode():
        expected = module(**example, **_options(module))[OUTPUT].numpy()
    found = compiled({name: tensor.numpy() for name, tensor in example.items()})[OUTPUT]
    real = example["attention_mask"].numpy().astype(bool)
    return float(np.abs(found - expected)[real].max() / np.abs(expected[real]).max())


def _longest(config: Any) -> int:
    positions = getattr(config, "max_position_embeddings", 0) or 64
    # RoBERTa's kin count positions from past the padding token's id.
    return int(max(1, min(LONGEST, positions - 8)))


def _options(module: Any) -> dict[str, bool]:
    """Decoders would return their cache, which nothing reads here."""
    return {"use_cache": False} if getattr(module.config, "use_cache", False) else {}


def _example(module: Any, names: Sequence[str], *, batch: int, length: int) -> dict[str, Any]:
    """Seeded token ids: a full text, then one padded on the right, then one padded on the left."""
    import torch

    ids = torch.randint(0, module.config.vocab_size, (batch, length), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[1:2, -3:] = 0
    mask[2:3, :3] = 0
    tensors = {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}
    return {name: tensors[name] for name in names}
