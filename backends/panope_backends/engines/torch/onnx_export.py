"""Turns a transformers model in safetensors into ONNX and proves that ONNX Runtime computes the same."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from pathlib import Path
from typing import Any

from panope_backends.api import ModelFacts
from panope_backends.engines.equivalence import prove_same
from panope_backends.engines.onnx.files import MODEL_FILES
from panope_backends.engines.onnx.model import load_onnx_model
from panope_backends.engines.refusals import refused_as
from panope_backends.engines.torch.encoder.traceable import Traceable, load_traceable

#: A file of protobuf ends at 2 GiB; larger weights go into a file beside it.
ONE_FILE_BYTES = 1 << 30


def export(model: ModelFacts, folder: Path, out: Path) -> None:
    """Writes `model.onnx`, and `model.onnx.data` for a large model: float32, with any batch and any length.

    Raises:
        PreconditionError: the model cannot be loaded or exported, or the result computes something else.
    """
    original = load_traceable(model, folder)
    file = out / MODEL_FILES[0]
    _export(original, file)
    made = load_onnx_model(out, threads=0)
    with refused_as("ONNX Runtime cannot run the exported model"):
        prove_same(
            original.run,
            lambda arrays: made.run(arrays)[original.output],
            original.names,
            original.vocabulary,
            original.positions,
        )


def _export(original: Traceable, file: Path) -> None:
    import torch

    size = sum(parameter.numel() * parameter.element_size() for parameter in original.module.parameters())
    free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    example = original.example()
    with torch.inference_mode(), _quiet(), refused_as("PyTorch cannot export this model to ONNX"):
        torch.onnx.export(
            original.module,
            kwargs=example,
            f=file,
            input_names=list(original.names),
            output_names=[original.output],
            dynamo=True,
            dynamic_shapes=dict.fromkeys(original.names, free),
            external_data=size > ONE_FILE_BYTES,
            verbose=False,
        )


@contextlib.contextmanager
def _quiet() -> Any:
    """Without the exporter's reports; what it gets wrong shows in the proof."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
