"""Loads models of transformers that answer questions about tables, and runs them in PyTorch.

Inputs and output: see `table_models`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from panope_backends.api import Arrays, Level, ModelFacts, Support, TensorModel, TensorSpec
from panope_backends.engines.torch.devices.torch_device import HOST, TorchDevice
from panope_backends.engines.torch.out_of_memory import run_within_memory
from panope_backends.engines.torch.pretrained import files_refusal, load_pretrained, unknown_type
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.model_facts.table_models import LOGITS, TASK

AUTO_CLASS = "AutoModelForTableQuestionAnswering"

_TYPES = "token_type_ids"
_INPUTS = ("input_ids", "attention_mask", _TYPES)


def is_table_reader(model: ModelFacts) -> bool:
    """Whether a model answers questions about tables."""
    return model.task == TASK


def table_reader_support(model: ModelFacts) -> Support:
    """Says from facts alone whether `load_table_reader` can work."""
    if refusal := files_refusal(model, AUTO_CLASS):
        return Support(Level.NONE, refusal, is_final=bool(unknown_type(model)))
    named = model.config.get("architectures")
    architecture = str(named[0]) if isinstance(named, list) and named else model.architecture
    if model.config.get("model_type") != "tapas" or architecture != "TapasForQuestionAnswering":
        return Support(
            Level.NONE, f"`{TASK}` needs the class `TapasForQuestionAnswering`; config.json names `{architecture[:64]}`"
        )
    return Support(Level.FULL, "transformers runs the model with its heads")


def load_table_reader(
    model: ModelFacts, folder: Path, precision: str, threads: int, device: TorchDevice = HOST
) -> TensorModel:
    """Loads safetensors; `threads` 0 keeps torch's own number.

    Raises:
        PreconditionError: the model cannot be loaded.
    """
    support = table_reader_support(model)
    if support.level is Level.NONE:
        raise PreconditionError(f"the model cannot be loaded: {support.reason}", reason="unsupported_model")
    import torch

    if threads:
        torch.set_num_threads(threads)  # for the whole process, which holds this one model
    module = load_pretrained(model, folder, precision, AUTO_CLASS)
    return TableReader(device.place(module), precision, device)


class TableReader(TensorModel):
    """A model of transformers that answers questions about tables.

    Args:
        module: the model.
        precision: that it computes in.
        device: where its weights lie.
    """

    def __init__(self, module: Any, precision: str, device: TorchDevice = HOST) -> None:
        self.precision = precision
        sizes = [int(size) for size in module.config.type_vocab_sizes]
        self.inputs = [
            TensorSpec(name, "int64", (-1, -1, len(sizes)) if name == _TYPES else (-1, -1)) for name in _INPUTS
        ]
        self.outputs = [TensorSpec(LOGITS, "float32", (-1, -1))]
        self._module, self._device = module, device
        self._limits = ((_INPUTS[0], int(module.config.vocab_size)), (_TYPES, np.array(sizes)))

    def run(self, arrays: Arrays, outputs: Sequence[str] = ()) -> dict[str, np.ndarray[Any, Any]]:
        """Runs once.

        Raises:
            InvalidInputError: a token id or a token type is more than the model has, or shapes do not fit each other.
            OverloadedError: the memory of the device does not suffice.
        """
        del outputs  # there is one
        ids, mask, types = (arrays[name] for name in _INPUTS)
        if ids.shape != mask.shape or types.shape != (*ids.shape, self.inputs[-1].shape[-1]) or not ids.size:
            raise InvalidInputError("the inputs' shapes do not fit each other or the model", field="inputs")
        for name, limit in self._limits:  # before the model looks up what is not there
            if arrays[name].min() < 0 or (arrays[name] >= limit).any():
                raise InvalidInputError(f"`{name}` has a value out of range", field="inputs")
        return run_within_memory(self._run, arrays, self._device)

    def _run(self, arrays: Arrays) -> dict[str, np.ndarray[Any, Any]]:
        import torch

        with torch.inference_mode():
            found = self._module(**{name: self._device.tensor(np.array(arrays[name])) for name in _INPUTS})
            parts = [part for part in (found.logits, found.logits_aggregation) if part is not None]
            return {LOGITS: self._device.array(torch.cat([part.float() for part in parts], dim=1))}

    def close(self) -> None:
        """Frees the weights."""
        del self._module
        self._device.forget_unused()
