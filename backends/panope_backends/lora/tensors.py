"""What the tensors of an adapter are, by their names and shapes, and whether they fit those of the base model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from panope_backends.errors import InvalidInputError
from panope_backends.lora.config import CONFIG, WEIGHTS, AdapterConfig, broken, ends, unsupported

Shapes = Mapping[str, tuple[int, ...]]
"""The name of a tensor -> its shape."""

#: Before every name: PEFT's model, and in it that of transformers.
_PREFIX = "base_model.model."

MAX_NAME = 512
"""Of a tensor, in characters."""

_DOWN, _UP, _MAGNITUDE = "down", "up", "magnitude"
_EMBEDDING_DOWN, _EMBEDDING_UP = "embedding down", "embedding up"

#: The ends of the names of an adapted module's tensors.
_ROLES = {
    ".lora_A.weight": _DOWN,
    ".lora_B.weight": _UP,
    ".lora_magnitude_vector": _MAGNITUDE,
    ".lora_magnitude_vector.weight": _MAGNITUDE,
    ".lora_embedding_A": _EMBEDDING_DOWN,
    ".lora_embedding_B": _EMBEDDING_UP,
}

#: Of a module that is adapted, where its own parameters lie.
_BASE_LAYER = ".base_layer"


@dataclass(frozen=True)
class AdaptedModule:
    """A module of the base whose weight changes by `scale × up · down`.

    Attributes:
        name: of the module in the base.
        down: the tensor from its inputs to the rank, `[rank, inputs]`.
        up: the tensor from the rank to its outputs, `[outputs, rank]`.
        magnitude: the tensor of DoRA, `[outputs]`; empty without it.
        is_embedding: whether the module is a table, of `inputs` rows.
    """

    name: str
    down: str
    up: str
    magnitude: str = ""
    is_embedding: bool = False


@dataclass(frozen=True)
class AdapterTensors:
    """What an adapter changes.

    Attributes:
        modules: adapted ones, by name; at least one.
        replaced: parameter of the base -> tensor that takes its place.
    """

    modules: tuple[AdaptedModule, ...]
    replaced: Mapping[str, str]


def read_tensors(shapes: Shapes, config: AdapterConfig) -> AdapterTensors:
    """Groups an adapter's tensors.

    Raises:
        InvalidInputError: one is missing, has a shape that does not go with the configuration, or is not of the
            configuration's.
        PreconditionError: one is of a kind that is not applied here (`unsupported_adapter`).
    """
    found: dict[str, dict[str, str]] = defaultdict(dict)
    replaced: dict[str, str] = {}
    for tensor in sorted(shapes):
        module, role = _place(tensor)
        if role:
            found[module][role] = tensor
        else:
            replaced[_replaced(module, tensor, config)] = tensor
    if not found:
        raise broken(WEIGHTS, "it holds no tensors of LoRA")
    modules = tuple(_module(name, roles, shapes, config) for name, roles in sorted(found.items()))
    return AdapterTensors(modules, replaced)


def check_base(tensors: AdapterTensors, shapes: Shapes, base: Shapes) -> None:
    """Compares with the base's weights by names and shapes, as far as files tell.

    Checkpoints may name the layers' parent otherwise than the model that is loaded of them, so a name is looked for
    from its layer's number on.

    Args:
        tensors: of the adapter.
        shapes: of its tensors.
        base: the shapes of the base's.

    Raises:
        InvalidInputError: the base has no such module, or its shape is another.
    """
    known: dict[str, set[tuple[int, ...]]] = defaultdict(set)
    for name, shape in base.items():
        known[_tail(name)].add(shape)
    for module in tensors.modules:
        down, up = shapes[module.down], shapes[module.up]
        inputs, outputs = down[1], up[0]
        # `Conv1D` has its inputs first, as tables have.
        _check(f"{module.name}.weight", {(outputs, inputs), (inputs, outputs)}, known)
    for parameter, tensor in tensors.replaced.items():
        _check(parameter, {shapes[tensor]}, known)


def _check(parameter: str, fitting: set[tuple[int, ...]], known: Mapping[str, set[tuple[int, ...]]]) -> None:
    shapes = known.get(_tail(parameter), set())
    if not shapes and not _has_number(parameter):  # a table and a head that are one are in the file under either name
        shapes = {shape for name, found in known.items() if not _has_number(name) for shape in found} & fitting
    if not shapes:
        raise _unfit(f"it changes `{_shown(parameter)}`, which the base model does not have")
    if not shapes & fitting:
        is_, taken = (" or ".join(_sizes(shape) for shape in sorted(each)) for each in (shapes, fitting))
        raise _unfit(f"it changes `{_shown(parameter)}` of {taken}, which is {is_} in the base model")


def _unfit(problem: str) -> InvalidInputError:
    return InvalidInputError(
        f"`{WEIGHTS}` does not fit its base model: {problem}", reason="adapter_mismatch", field="base_model"
    )


def _has_number(name: str) -> bool:
    return any(part.isdigit() for part in name.split("."))


def _tail(name: str) -> str:
    """The name from what its first number counts on, such as `layers.0.mlp.up_proj.weight`; else its last two parts."""
    parts = name.split(".")
    first = next((index for index, part in enumerate(parts) if part.isdigit()), len(parts) - 1)
    return ".".join(parts[max(0, first - 1) :])


def _sizes(shape: tuple[int, ...]) -> str:
    return " × ".join(f"{size:,}" for size in shape)


def _place(tensor: str) -> tuple[str, str]:
    """The module and the tensor's role in it; the parameter and no role for one that is replaced."""
    if len(tensor) > MAX_NAME:
        raise broken(WEIGHTS, f"it has a name of {len(tensor):,} characters; the limit is {MAX_NAME}")
    if not tensor.startswith(_PREFIX):
        raise broken(WEIGHTS, f"the name `{_shown(tensor)}` does not begin with `{_PREFIX}`")
    name = tensor.removeprefix(_PREFIX)
    for end, role in _ROLES.items():
        if name.endswith(end):
            return name.removesuffix(end), role
    return name, ""


def _module(name: str, roles: Mapping[str, str], shapes: Shapes, config: AdapterConfig) -> AdaptedModule:
    if name.endswith(_BASE_LAYER) or f"{_BASE_LAYER}." in name:
        raise unsupported(f"`{WEIGHTS}` adapts the parameters of experts in `{_shown(name)}`, which is not applied")
    if config.targets and config.targets.isdisjoint(ends(name)):
        raise broken(WEIGHTS, f"it adapts `{_shown(name)}`, which `target_modules` does not name")
    is_embedding = _EMBEDDING_DOWN in roles or _EMBEDDING_UP in roles
    wanted: tuple[str, ...] = (_EMBEDDING_DOWN, _EMBEDDING_UP) if is_embedding else (_DOWN, _UP)
    if config.is_dora:
        if is_embedding:
            raise unsupported(f"`{WEIGHTS}` adapts the table `{_shown(name)}` with `use_dora`, which is not applied")
        wanted = (*wanted, _MAGNITUDE)
    if sorted(roles) != sorted(wanted):
        missing = ", ".join(sorted(set(wanted) - set(roles))) or "nothing"
        extra = ", ".join(sorted(set(roles) - set(wanted))) or "nothing"
        raise broken(WEIGHTS, f"of `{_shown(name)}` it lacks {missing} and has {extra} beside what it should")
    down, up = roles[wanted[0]], roles[wanted[1]]
    _check_shapes(name, [shapes[roles[role]] for role in wanted], config.rank_of(name))
    return AdaptedModule(name, down, up, roles.get(_MAGNITUDE, ""), is_embedding)


def _check_shapes(name: str, found: list[tuple[int, ...]], rank: int) -> None:
    down, up, *magnitude = found
    if len(down) != 2 or len(up) != 2:
        raise unsupported(f"`{WEIGHTS}` adapts `{_shown(name)}`, which is no matrix; that is not applied")
    if down[0] != rank or up[1] != rank:
        raise broken(WEIGHTS, f"`{_shown(name)}` has the ranks {down[0]:,} and {up[1]:,}; `{CONFIG}` says {rank:,}")
    if 0 in (*down, *up):
        raise broken(WEIGHTS, f"`{_shown(name)}` has a matrix without numbers")
    if any(each != (up[0],) for each in magnitude):
        raise broken(WEIGHTS, f"`{_shown(name)}` has another number of magnitudes than of outputs")


def _replaced(name: str, tensor: str, config: AdapterConfig) -> str:
    """The parameter of the base that a tensor takes the place of."""
    parameter = name.replace(f"{_BASE_LAYER}.", ".")
    module, _, kind = parameter.rpartition(".")
    changed = name != parameter and kind == "weight"
    if changed or (kind == "bias" and config.bias != "none") or _is_saved(module, config):
        return parameter
    raise broken(WEIGHTS, f"it holds `{_shown(tensor)}`, which no field of its configuration speaks of")


def _is_saved(module: str, config: AdapterConfig) -> bool:
    """Whether a module is one of the saved ones, or lies in one."""
    while module:
        if not config.saved_modules.isdisjoint(ends(module)):
            return True
        module = module.rpartition(".")[0]
    return False


def _shown(name: str) -> str:
    return name[:200] if name.isprintable() else ascii(name[:200])
