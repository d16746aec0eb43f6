"""Models that compute long texts otherwise than short ones, and how each text has the answer that it has alone.

BigBird leaves most of its attention out where the texts of a batch are longer than some blocks, and rotary positions of
the kinds `dynamic` and `longrope` turn more slowly past the length of their training. transformers decides it by the
longest text of a batch, and remembers it: a text's answer would depend on those beside it and on those before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from panope_backends.engines.torch.rotations import growing_rotations, whole

State = list[tuple[Any, dict[str, Any]]]
_PARTS = ("_parameters", "_buffers", "_modules")


def changes_past(config: Any) -> int:
    """The tokens of a text past which a model computes otherwise; 0 for one that does not.

    Args:
        config: the configuration as transformers has it, with the names that are the same for all.
    """
    if getattr(config, "model_type", "") == "big_bird" and config.attention_type == "block_sparse":
        most = int((5 + 2 * config.num_random_blocks) * config.block_size)  # as BigBirdModel.forward has it
        return most if whole(config.max_position_embeddings) > most else 0
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    limits = [begins or whole(getattr(text, "max_position_embeddings", 0)) for begins in growing_rotations(text)]
    return min((limit for limit in limits if limit), default=0)


class FreshModule:
    """A module that remembers nothing of what it ran before.

    Args:
        module: just loaded.
        changes_past: as `changes_past` says of it.
    """

    def __init__(self, module: Any, changes_past: int) -> None:
        self._module = module
        self._changes_past = changes_past
        self._long = _state_of(module)
        self._short: State | None = None

    def __call__(self, **arguments: Any) -> Any:
        """As the module just loaded would answer; `input_ids` tells how long the texts are."""
        is_short = arguments["input_ids"].shape[1] <= self._changes_past
        _restore(self._short if is_short and self._short is not None else self._long)
        answer = self._module(**arguments)
        if is_short and self._short is None:
            self._short = _state_of(self._module)  # so that what it makes for short texts is made once
        return answer


def text_by_text(run: Callable[..., Any], tensors: Mapping[str, Any]) -> Any:
    """Runs the texts of each length by themselves, without padding.

    Args:
        run: takes the tensors and gives one, of a row for each text, or of a row for each token of a text.
        tensors: `input_ids` and `attention_mask`, batch × tokens, and others of their shape.

    Returns:
        What `run` gives for all; 0 for padding. A mask with holes is no padding, and runs as it is.
    """
    mask = tensors["attention_mask"] != 0
    width = mask.shape[1]
    lengths, starts = mask.sum(1), mask.int().argmax(1)
    places = torch.arange(width, device=mask.device)[None, :]
    is_padded = (mask == ((places >= starts[:, None]) & (places < (starts + lengths)[:, None]))).all()
    if not is_padded or int(lengths.min()) in (0, width):
        return run(**tensors)
    whole: Any = None
    for start, length in {(int(start), int(length)) for start, length in zip(starts, lengths, strict=True)}:
        rows = ((starts == start) & (lengths == length)).nonzero()[:, 0]
        there = slice(start, start + length)
        found = run(**{name: tensor[rows, there] for name, tensor in tensors.items()})
        by_token = found.dim() == 3
        if whole is None:
            shape = (len(mask), width, found.shape[2]) if by_token else (len(mask), *found.shape[1:])
            whole = found.new_zeros(shape)
        if by_token:
            whole[rows, there] = found
        else:
            whole[rows] = found
    return whole


def _state_of(module: Any) -> State:
    """Everything that a run may change of it, but what stands in the tensors themselves."""
    return [(each, _copied(each.__dict__)) for each in module.modules()]


def _copied(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: dict(value) if name in _PARTS else value for name, value in values.items()}


def _restore(state: State) -> None:
    for module, values in state:
        module.__dict__.clear()
        module.__dict__.update(_copied(values))
