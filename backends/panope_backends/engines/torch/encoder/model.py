"""Runs a transformers model in PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from panope_backends.api import Arrays, ModelFacts, TensorModel, TensorSpec
from panope_backends.engines.torch.devices.torch_device import HOST, TorchDevice
from panope_backends.engines.torch.encoder.long_texts import FreshModule, changes_past, text_by_text
from panope_backends.engines.torch.encoder.tables import read_tables
from panope_backends.engines.torch.encoder.transformer import load_transformer
from panope_backends.engines.torch.out_of_memory import run_within_memory
from panope_backends.errors import InvalidInputError
from panope_backends.isolation.memory_limit import is_out_of_memory
from panope_backends.model_facts.text_graphs import SPARSE_OUTPUT


def load_torch_model(
    model: ModelFacts, folder: Path, precision: str, threads: int, device: TorchDevice = HOST
) -> TensorModel:
    """Loads safetensors; `threads` 0 keeps torch's own number."""
    if threads:
        torch.set_num_threads(threads)  # for the whole process, which holds this one model
    module, names, output = load_transformer(model, folder, precision)
    shape = output_shape(module.config, model.task, output)
    return TorchModel(device.place(module), names, precision, TensorSpec(output, "float32", shape), device)


class TorchModel(TensorModel):
    """A model of texts; float32 out whatever it computes in.

    Args:
        module: the model.
        names: of its inputs.
        precision: that it computes in.
        output: what it gives, by transformers' name.
        device: where its weights lie.
    """

    def __init__(
        self,
        module: Any,
        names: Sequence[str],
        precision: str,
        output: TensorSpec,
        device: TorchDevice = HOST,
    ) -> None:
        self.precision = precision
        self.inputs = [TensorSpec(name, "int64", (-1, -1)) for name in names]
        self.outputs = [output]
        self._device = device
        self._changes_past = changes_past(module.config)
        self._module = FreshModule(module, self._changes_past) if self._changes_past else module
        self._output = output.name
        # Decoders would keep and return a cache that nothing reads.
        self._options = {"use_cache": False} if getattr(module.config, "use_cache", False) else {}
        self._positions = getattr(module.config, "max_position_embeddings", 0)
        tables = read_tables(module, names, self._options, device)
        self.index_limits, self.max_tokens = tables.index_limits, tables.max_tokens

    def run(self, arrays: Arrays, outputs: Sequence[str] = ()) -> dict[str, np.ndarray[Any, Any]]:
        """Runs once; a tensor of its own holds the result, so nothing is copied.

        Raises:
            InvalidInputError: a token id or a length is more than the model has, or shapes do not fit each other.
            OverloadedError: the memory of the device does not suffice.
        """
        del outputs  # there is one
        if not self._device.is_host:  # a GPU that looks up what is not there is lost to the process
            self._check(arrays)
        return run_within_memory(self._run, arrays, self._device)

    def _run(self, arrays: Arrays) -> dict[str, np.ndarray[Any, Any]]:
        with torch.inference_mode():
            tensors = {spec.name: self._device.tensor(arrays[spec.name]) for spec in self.inputs}
            try:
                hidden = self._hidden(tensors)
            except IndexError as error:
                raise InvalidInputError("a token id or a position is out of range", field="inputs") from error
            except RuntimeError as error:
                if is_out_of_memory(error) or ("size" not in str(error) and "shape" not in str(error)):
                    raise
                raise InvalidInputError(
                    "the inputs' shapes do not fit each other or the model", field="inputs"
                ) from error
            return {self._output: self._device.array(hidden)}

    def _hidden(self, tensors: dict[str, Any]) -> Any:
        if self._changes_past and "attention_mask" in tensors and tensors["input_ids"].shape[1] > self._changes_past:
            return text_by_text(self._once, tensors)
        return self._once(**tensors)

    def _once(self, **tensors: Any) -> Any:
        given = self._module(**tensors, **self._options)[self._output]
        # Perceiver tells of all its positions, however many tokens there are.
        of_all = self._positions and given.ndim > 2 and given.shape[1] == self._positions
        return given[:, : tensors["input_ids"].shape[1]] if of_all else given

    def close(self) -> None:
        """Frees the weights."""
        del self._module
        self._device.forget_unused()

    def _check(self, arrays: Arrays) -> None:
        for name, limit in self.index_limits.items():
            array = arrays[name]
            if array.size and not 0 <= int(array.min()) <= int(array.max()) < limit:
                raise InvalidInputError("a token id or a position is out of range", field="inputs")
        if self.max_tokens and any(array.shape[1] > self.max_tokens for array in arrays.values()):
            raise InvalidInputError("a token id or a position is out of range", field="inputs")


def output_shape(config: Any, task: str, output: str) -> tuple[int, ...]:
    """Of what a model of transformers gives for a task; -1 for the batch and its length."""
    if output == SPARSE_OUTPUT:
        return (-1, config.vocab_size)
    match task:
        case "classify" | "rerank":
            return (-1, config.num_labels)
        case "token-classify":
            return (-1, -1, config.num_labels)
        case "question-answer":
            return (-1, -1, 2)
        case "fill-mask":
            return (-1, -1, config.vocab_size)
        case _:
            return (-1, -1, config.hidden_size)
