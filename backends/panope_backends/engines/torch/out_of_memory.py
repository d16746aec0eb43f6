"""What happens when a device's memory is out: a batch runs again in two halves, and then is refused.

A call that is refused leaves the model as it was. The memory that it took is given back, for what PyTorch
keeps of it would be missing to other processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from panope_backends.api import Arrays, StepBatch
from panope_backends.engines.torch.devices.torch_device import TorchDevice
from panope_backends.errors import OUT_OF_DEVICE_MEMORY, OverloadedError
from panope_backends.isolation.memory_limit import is_out_of_memory

Array = np.ndarray[Any, Any]

Run = Callable[[Arrays], dict[str, Array]]
Forward = Callable[[StepBatch], Array]


class DeviceLostError(SystemExit):
    """The device has failed this process for good: nothing more can be computed here, and a new process can.

    It is no Exception, so that whatever runs models ends, as a worker does, which the server then starts again.
    """


@contextmanager
def refusing(device: TorchDevice) -> Iterator[None]:
    """Within it, want of the device's memory is a refusal, and an error that the device does not recover from an end.

    Raises:
        OverloadedError: the device's memory is out (`OUT_OF_DEVICE_MEMORY`).
        DeviceLostError: the device takes no more work from this process.
    """
    wanted = False
    try:
        yield
    except Exception as error:
        if device.is_host:
            raise
        wanted = is_out_of_memory(error)
        if not wanted:
            if device.is_lost_by(error):
                raise DeviceLostError(f"the device {device.name} has failed: {type(error).__name__}") from error
            raise
    if wanted:  # outside, where nothing holds the tensors of what has failed
        device.forget_unused()
        raise _refusal(device)


def run_within_memory(run: Run, arrays: Arrays, device: TorchDevice) -> dict[str, Array]:
    """Runs a batch, in halves where the memory does not suffice for all of it.

    Args:
        run: of a batch whose rows do not depend on each other.
        arrays: with a row for each item.
        device: where it runs.

    Raises:
        OverloadedError: it does not suffice for a half either.
    """
    try:
        with refusing(device):
            return run(arrays)
    except OverloadedError as error:
        rows = {len(array) for array in arrays.values()}
        if error.reason != OUT_OF_DEVICE_MEMORY or len(rows) != 1 or min(rows) < 2:
            raise
        middle = rows.pop() // 2
    with refusing(device):
        first, second = (run({name: array[part] for name, array in arrays.items()}) for part in _parts(middle))
        return {name: np.concatenate([array, second[name]]) for name, array in first.items()}


def step_within_memory(forward: Forward, batch: StepBatch, device: TorchDevice, block_size: int) -> Array:
    """Runs a step, as two where the memory does not suffice for all of it.

    Args:
        forward: runs a step; one that fails leaves what it was to write undefined, and all else as it was.
        batch: checked.
        device: where it runs.
        block_size: of the model's cache.

    Raises:
        OverloadedError: it does not suffice for a half either.
    """
    try:
        with refusing(device):
            return forward(batch)
    except OverloadedError as error:
        if error.reason != OUT_OF_DEVICE_MEMORY or len(batch.tokens) < 2:
            raise
    with refusing(device):
        first, second = halves(batch, block_size)
        found = [forward(first).copy(), forward(second)]
        of_first = batch.sampled < len(first.tokens)
        logits = np.empty((len(batch.sampled), found[0].shape[1]), np.float32)
        logits[of_first], logits[~of_first] = found
        return logits


def halves(batch: StepBatch, block_size: int) -> tuple[StepBatch, StepBatch]:
    """Two steps that do what one does: of half the sequences each, or of half the tokens of a single one."""
    count = len(batch.lengths)
    if count == 1:
        return _halves_of_one(batch, block_size)
    # The sequences stay whole, and about half of the tokens is in each half.
    middle = int(np.searchsorted(batch.token_begins, len(batch.tokens) / 2))
    middle = min(max(middle, 1), count - 1)
    return _some(batch, 0, middle), _some(batch, middle, count)


def _some(batch: StepBatch, first: int, last: int) -> StepBatch:
    """The sequences from one number to another."""
    begin, end = batch.token_begins[[first, last]].tolist()
    begin_block, end_block = batch.block_begins[[first, last]].tolist()
    sampled = batch.sampled[(batch.sampled >= begin) & (batch.sampled < end)] - begin
    rows = slice(first, last)
    own = {name: _row(getattr(batch, name), rows) for name in ("sources", "adapters", "image_prompts")}
    return replace(
        batch,
        tokens=batch.tokens[begin:end],
        token_begins=batch.token_begins[first : last + 1] - begin,
        past_lengths=batch.past_lengths[rows],
        block_tables=batch.block_tables[begin_block:end_block],
        block_begins=batch.block_begins[first : last + 1] - begin_block,
        sampled=sampled,
        **own,
    )


def _row(array: Any, rows: slice) -> Any:
    return None if array is None else array[rows]


def _halves_of_one(batch: StepBatch, block_size: int) -> tuple[StepBatch, StepBatch]:
    middle, length = len(batch.tokens) // 2, len(batch.tokens)
    blocks = -(-(int(batch.past_lengths[0]) + middle) // block_size)
    in_first = batch.sampled < middle
    whole: Mapping[str, Any] = {
        "tokens": batch.tokens[:middle],
        "token_begins": np.array([0, middle], np.int32),
        "block_tables": batch.block_tables[:blocks],
        "block_begins": np.array([0, blocks], np.int32),
        "sampled": batch.sampled[in_first],
    }
    rest: Mapping[str, Any] = {
        "tokens": batch.tokens[middle:],
        "token_begins": np.array([0, length - middle], np.int32),
        "past_lengths": batch.past_lengths + np.int32(middle),
        "sampled": batch.sampled[~in_first] - middle,
    }
    return replace(batch, **whole), replace(batch, **rest)


def _parts(middle: int) -> tuple[slice, slice]:
    return slice(0, middle), slice(middle, None)


def _refusal(device: TorchDevice) -> OverloadedError:
    return OverloadedError(
        f"the memory of the device `{device.name}` does not suffice for this call beside what runs there: send less at "
        "once, or load the model with a smaller cache or in a smaller precision",
        reason=OUT_OF_DEVICE_MEMORY,
    )
