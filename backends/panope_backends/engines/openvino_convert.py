"""Turns a transformers model in safetensors into OpenVINO's format and proves that it still computes the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from panope_backends.api import ModelFacts
from panope_backends.engines.openvino_runtime import import_converter
from panope_backends.engines.transformer import OUTPUT, load_transformer
from panope_backends.errors import PreconditionError

#: Largest difference from torch, both in float32, relative to the largest value. Seen: below 1e-5.
TOLERANCE = 1e-3


def convert(model: ModelFacts, folder: Path, file: Path) -> None:
    """Writes `file` and the weights beside it, in float32, with any batch and any length.

    Raises:
        PreconditionError: the model cannot be loaded or traced, or the result computes something else.
    """
    module, names = load_transformer(model, folder, "fp32")
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
    with torch.inference_mode():
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
    """Runs both on a batch of another shape than was traced; a number frozen by tracing shows here."""
    import torch

    openvino, _ = import_converter()
    example = _example(module, names, batch=3, length=19)
    with torch.inference_mode():
        expected = module(**example, **_options(module))[OUTPUT].numpy()
    arrays = {name: tensor.numpy() for name, tensor in example.items()}
    try:
        compiled = openvino.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        found = compiled(arrays)[OUTPUT]
    except RuntimeError as error:
        raise PreconditionError("OpenVINO cannot run the converted model", reason="conversion_failed") from error
    real = arrays["attention_mask"].astype(bool)  # what lies in padding means nothing
    difference = float(np.abs(found - expected)[real].max() / np.abs(expected[real]).max())
    if not difference <= TOLERANCE:  # NaN fails too
        raise PreconditionError(
            f"the converted model's results differ by {difference:.1e} from the original's", reason="conversion_failed"
        )


def _options(module: Any) -> dict[str, bool]:
    """Decoders would return their cache, which nothing reads here."""
    return {"use_cache": False} if getattr(module.config, "use_cache", False) else {}


def _example(module: Any, names: Sequence[str], *, batch: int, length: int) -> dict[str, Any]:
    """Seeded token ids, with padding in all texts but the first."""
    import torch

    ids = torch.randint(0, module.config.vocab_size, (batch, length), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    for row in range(1, batch):
        mask[row, length - 2 * row :] = 0
    arrays = {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}
    return {name: arrays[name] for name in names}
