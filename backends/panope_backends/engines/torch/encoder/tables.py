"""Reads from a transformers model how far its tables reach."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from panope_backends.engines.tables import Lookup, Tables, probe_inputs, tables_of
from panope_backends.engines.torch.devices.torch_device import HOST, TorchDevice


def read_tables(module: Any, names: Sequence[str], options: Mapping[str, Any], device: TorchDevice = HOST) -> Tables:
    """Runs short texts and watches every embedding; nothing is known of a model that cannot run it.

    Args:
        module: the model, ready to run.
        names: of its inputs.
        options: keywords of each run.
        device: where its weights lie.
    """
    inputs = probe_inputs(names)
    tensors = {name: device.tensor(array) for name, array in inputs.items()}
    with torch.inference_mode(), _watched() as lookups:
        try:
            module(**tensors, **options)
        except (IndexError, RuntimeError, ValueError):  # fewer ids than the texts', or a length of its own
            return Tables()
    return tables_of(lookups, inputs)


@contextlib.contextmanager
def _watched() -> Iterator[list[Lookup]]:
    """Collects what is looked up by torch's `embedding`, which all of its modules and most models' own code call."""
    lookups: list[Lookup] = []
    functional: Any = torch.nn.functional
    usual = functional.embedding

    def embedding(indices: Any, weight: Any, *arguments: Any, **keywords: Any) -> Any:
        lookups.append(Lookup(indices.detach().cpu().numpy().copy(), int(weight.shape[0])))
        return usual(indices, weight, *arguments, **keywords)

    functional.embedding = embedding
    try:
        yield lookups
    finally:
        functional.embedding = usual
