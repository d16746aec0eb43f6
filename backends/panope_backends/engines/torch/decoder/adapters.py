"""LoRA adapters beside the weights of a decoder: each sequence of a step with its own, in one run of the layers.

A layer computes all tokens of a step with the base's weights. The rows of sequences with an adapter then get the
product of its two matrices added, which are small: `y + scale × B (A x)`, in float32. Other rows are left as they are.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers.pytorch_utils import Conv1D

from panope_backends.api import StepBatch
from panope_backends.engines.torch.adapter import AdapterFiles, has_inputs_first, mismatch, module_of, open_adapter
from panope_backends.engines.torch.devices.torch_device import HOST, TorchDevice
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.lora import AdaptedModule

#: Of the run that shows which layers see every token; a layer that sees some alone is seen by their number.
_TRIED_TOKENS = 3


@dataclass(frozen=True)
class _Change:
    """What an adapter does to one layer.

    Attributes:
        down: `[inputs, rank]`.
        up: `[rank, outputs]`, scaled.
        gain: of DoRA, what each output is multiplied by, `[outputs]`; None without it.
    """

    down: Any
    up: Any
    gain: Any = None

    def applied(self, inputs: Any, outputs: Any, bias: Any) -> Any:
        """The outputs of some rows with the adapter, of the inputs and of the outputs without it."""
        changed = outputs.float() + (inputs.float() @ self.down) @ self.up
        if self.gain is None:
            return changed.to(outputs.dtype)
        offset = 0 if bias is None else bias.float()
        return ((changed - offset) * self.gain + offset).to(outputs.dtype)


class Adapters:
    """The adapters of one module.

    Args:
        module: of transformers, loaded.
        layers: of the module, those that `every_token_layers` has found.
        max_adapters: numbers go from 1 to it.
        max_rank: of an adapter.
        device: where the module's weights lie, and theirs.
    """

    def __init__(
        self,
        module: Any,
        layers: Collection[Any],
        max_adapters: int,
        max_rank: int,
        device: TorchDevice = HOST,
    ) -> None:
        self._module, self._device = module, device
        self._layers = frozenset(layers)
        self._max_adapters, self._max_rank = max_adapters, max_rank
        self._changes: dict[int, Mapping[Any, _Change]] = {}
        self._hooks: dict[Any, Any] = {}
        self._changing = threading.Lock()  # one comes in a thread of its own while a step lets another go
        self._rows: list[tuple[Mapping[Any, _Change], Any]] = []

    @property
    def numbers(self) -> frozenset[int]:
        """Those that there are."""
        return frozenset(self._changes)

    def begin(self, batch: StepBatch) -> None:
        """Says which tokens of the step that follows are run with which adapter."""
        self._rows = []
        if batch.adapters is None:
            return
        of_tokens = np.repeat(batch.adapters, batch.lengths)
        for number in np.unique(batch.adapters[batch.adapters > 0]).tolist():
            rows = np.flatnonzero(of_tokens == number)
            is_one_piece = rows[-1] - rows[0] + 1 == len(rows)
            place = slice(int(rows[0]), int(rows[-1]) + 1) if is_one_piece else self._device.tensor(rows)
            self._rows.append((self._changes[number], place))

    def add(self, number: int, folder: Path) -> None:
        """Reads an adapter; errors as of `AdaptableStepModel.add_adapter`."""
        if not 1 <= number <= self._max_adapters or number in self._changes:
            raise InvalidInputError("an adapter has a free number", field="number")
        with open_adapter(folder) as files:
            if files.tensors.replaced:
                name = next(iter(files.tensors.replaced))
                raise _needs_own_instance(f"it replaces `{name}`, which all sequences share")
            changes = dict(self._change(adapted, files) for adapted in files.tensors.modules)
        with self._changing:
            for layer in changes:
                if layer not in self._hooks:
                    self._hooks[layer] = layer.register_forward_hook(self._apply)
            self._changes[number] = changes  # last of all: a step that runs meanwhile names others

    def remove(self, number: int) -> None:
        """Forgets an adapter."""
        with self._changing:
            self._changes.pop(number, None)
            if not self._changes:
                self._unhook()

    def free(self) -> None:
        """Forgets all."""
        with self._changing:
            self._changes.clear()
            self._unhook()

    def _unhook(self) -> None:
        while self._hooks:
            self._hooks.popitem()[1].remove()

    def _apply(self, layer: Any, inputs: tuple[Any, ...], outputs: Any) -> Any:
        """Changes a layer's outputs in place; they are the layer's own, and have a row a token."""
        before, after = inputs[0].flatten(0, -2), outputs.flatten(0, -2)
        for changes, rows in self._rows:
            change = changes.get(layer)
            if change is not None:
                after[rows] = change.applied(before[rows], after[rows], layer.bias)
        return after.view(outputs.shape)

    def _change(self, adapted: AdaptedModule, files: AdapterFiles) -> tuple[Any, _Change]:
        layer = module_of(self._module, adapted.name)
        if layer not in self._layers:
            has_inputs_first(layer, adapted)  # another kind of layer than the adapter's is its fault
            raise _needs_own_instance(f"it changes `{adapted.name}`, which does not see each token by itself")
        turned = has_inputs_first(layer, adapted)
        down, up = self._read(files, adapted.down), self._read(files, adapted.up)
        if len(down) > self._max_rank:
            raise _needs_own_instance(f"its rank is {len(down)}, and `generation.max_adapter_rank` is {self._max_rank}")
        up = up * files.config.scale_of(adapted.name)
        if (up.shape[0], down.shape[1]) != tuple(reversed(layer.weight.shape) if turned else layer.weight.shape):
            raise mismatch(f"it adapts `{adapted.name}` of another shape")
        gain = None
        if adapted.magnitude:
            weight = layer.weight.float()
            merged = (weight.T if turned else weight) + up @ down
            gain = self._read(files, adapted.magnitude) / torch.linalg.norm(merged, dim=1)
        return layer, _Change(_own(down.T), _own(up.T), gain)

    def _read(self, files: AdapterFiles, name: str) -> Any:
        return self._device.put(files.read(name), torch.float32)


def every_token_layers(module: Any, run: Callable[[Any], None]) -> list[Any]:
    """The layers of a module that an adapter can change for single sequences: those that see each token, in order.

    Left out are the head, which sees the tokens alone whose logits are asked for, and experts, which see those that
    were sent to them: what stands in a list within a list.

    Args:
        module: of transformers.
        run: runs it on the token ids that it is given, `[1, tokens]`.
    """
    names = {layer: name for name, layer in module.named_modules() if isinstance(layer, torch.nn.Linear | Conv1D)}
    names.pop(module.get_output_embeddings(), None)
    seen: dict[Any, list[int]] = {}

    def look(layer: Any, inputs: tuple[Any, ...], outputs: Any) -> None:
        del outputs
        seen.setdefault(layer, []).append(inputs[0].shape[:-1].numel())

    hooks = [layer.register_forward_hook(look) for layer in names]
    try:
        run(torch.zeros(1, _TRIED_TOKENS, dtype=torch.int64, device=module.device))
    finally:
        for hook in hooks:
            hook.remove()
    return [layer for layer, rows in seen.items() if rows == [_TRIED_TOKENS] and _depth(names[layer]) <= 1]


def _depth(name: str) -> int:
    return sum(part.isdigit() for part in name.split("."))


def _own(tensor: Any) -> Any:
    """A copy that no file stands behind."""
    return tensor.clone(memory_format=torch.contiguous_format)


def _needs_own_instance(problem: str) -> PreconditionError:
    return PreconditionError(f"the adapter cannot run beside its base: {problem}", reason="needs_own_instance")
