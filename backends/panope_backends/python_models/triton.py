"""What config.pbtxt says of a model of Triton's python backend: its tensors, and itself as the model gets to see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from panope_backends.python_models.config_text import ConfigError

BACKEND = "python"

DTYPES = {
    "TYPE_BOOL": "bool",
    **{f"TYPE_{kind}{bits}": f"{kind.lower()}{bits}" for kind in ("INT", "UINT") for bits in (8, 16, 32, 64)},
    "TYPE_FP16": "float16",
    "TYPE_FP32": "float32",
    "TYPE_FP64": "float64",
    "TYPE_STRING": "object",
}
"""Triton's names of element types -> NumPy's."""

#: Of an input or an output: what would change how it is called, and is not done.
_UNSUPPORTED = {
    "reshape": "has another shape outside",
    "is_shape_tensor": "is a shape of another tensor",
    "allow_ragged_batch": "has rows of several lengths",
    "is_non_linear_format_io": "has a layout of its own",
}


@dataclass(frozen=True)
class Tensor:
    """An input or an output.

    Attributes:
        dtype: NumPy's name; `object` for texts, whose elements are bytes.
        shape: with the batch's axis where the model has one; -1 where any length is accepted.
        is_optional: whether a call may leave it out.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    is_optional: bool = False


@dataclass(frozen=True)
class TritonModel:
    """What a configuration says.

    Attributes:
        max_batch_size: 0 for a model whose tensors have no axis of their own for a batch.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    max_batch_size: int


def read_model(config: Any) -> TritonModel:
    """Returns what the configuration says; no tensors where it leaves them to the model's code.

    Args:
        config: as `config_text.parse_config` gives it.

    Raises:
        ConfigError: it asks for what is not done, or contradicts itself.
    """
    if config.max_batch_size < 0:
        raise ConfigError(f"`max_batch_size` is {config.max_batch_size}; 0 means that there is no batch")
    if config.default_model_filename and not config.default_model_filename.endswith(".py"):
        raise ConfigError(f"`default_model_filename` is `{config.default_model_filename}`, which is no Python file")
    if config.model_transaction_policy.decoupled:
        raise ConfigError("it answers a request many times (`decoupled`), which is not done")
    batch = (-1,) if config.max_batch_size else ()
    found = [_tensors(kind, getattr(config, kind), batch) for kind in ("input", "output")]
    return TritonModel(found[0], found[1], config.max_batch_size)


def _tensors(kind: str, described: Sequence[Any], batch: tuple[int, ...]) -> tuple[Tensor, ...]:
    tensors = tuple(_tensor(f"{kind} {index}", each, batch) for index, each in enumerate(described))
    names = [tensor.name for tensor in tensors]
    if len(set(names)) < len(names):
        raise ConfigError(f"it has two tensors of one name among `{kind}`")
    return tensors


def _tensor(place: str, described: Any, batch: tuple[int, ...]) -> Tensor:
    if not described.name:
        raise ConfigError(f"{place} has no `name`")
    where = f"`{described.name}` ({place})"
    set_fields = {field.name for field, _ in described.ListFields()}
    for field, what in _UNSUPPORTED.items():
        if field in set_fields:
            raise ConfigError(f"{where} {what} (`{field}`), which is not done")
    kind = described.DESCRIPTOR.fields_by_name["data_type"].enum_type.values_by_number[described.data_type].name
    if kind not in DTYPES:
        raise ConfigError(f"{where} has the type {kind}; there are {', '.join(DTYPES)}")
    if not described.dims:
        raise ConfigError(f"{where} has no `dims`")
    if any(length < -1 or length == 0 for length in described.dims):
        raise ConfigError(f"{where} has the dims {list(described.dims)}; a length is at least 1, or -1 for any")
    return Tensor(described.name, DTYPES[kind], (*batch, *described.dims), getattr(described, "optional", False))


def as_document(message: Any) -> dict[str, Any]:
    """The configuration as the model gets it in JSON: every field by its name, integers as numbers, enums by name."""
    return {field.name: _value(message, field) for field in message.DESCRIPTOR.fields if _is_told(message, field)}


def _is_told(message: Any, field: Any) -> bool:
    """Messages that are not there are left out; everything else has a value."""
    return field.is_repeated or field.message_type is None or message.HasField(field.name)


def _value(message: Any, field: Any) -> Any:
    value = getattr(message, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        inner = field.message_type.fields_by_name["value"]
        return {str(key): _single(each, inner) for key, each in value.items()}
    if field.is_repeated:
        return [_single(each, field) for each in value]
    return _single(value, field)


def _single(value: Any, field: Any) -> Any:
    if field.message_type is not None:
        return as_document(value)
    return field.enum_type.values_by_number[value].name if field.enum_type is not None else value
