"""Whether what somebody asks for can be had on this machine at all, before anything is chosen or loaded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from panope_backends.api import Device
from panope_backends.errors import PreconditionError
from panope_registry.inspect.headers.gguf import FILE_TYPES, TENSOR_TYPES
from panope_registry.inspect.precisions import is_quantized
from panope_registry.models.quantization import TARGETS
from panope_registry.models.types import ModelEntry
from panope_registry.names import shown
from panope_server.runtime.placement.constraints import LoadConstraints

#: The precisions that weights may be quantized to, here or by others.
_QUANTIZED = frozenset({*TARGETS, *FILE_TYPES.values(), *TENSOR_TYPES.values()})


def refuse_impossible_load(devices: Sequence[Device], entry: ModelEntry, constraints: LoadConstraints) -> None:
    """Refuses a backend that this machine lacks, and a precision that this model cannot be run in.

    Raises:
        PreconditionError: naming the field, and what there is.
    """
    if constraints.backend:
        _refuse_unknown_backend(devices, constraints.backend)
    for name in constraints.preferred_backends:
        _refuse_unknown_backend(devices, name)
    precision = constraints.precision
    if not precision:
        return
    if not is_quantized(precision):
        _refuse_uncomputed_precision(devices, constraints)
    elif not any(variant.precision == precision for variant in entry.variants):
        held = dict.fromkeys(f"{variant.format} {variant.precision}".strip() for variant in entry.variants)
        raise PreconditionError.at(
            "precision",
            "{field} cannot be `{precision}`: model `{model}` has {held}, and `panope build` makes others",
            model=entry.name,
            precision=shown(precision),
            held=", ".join(held) or "no variant",
            reason="variant_not_found",
        )


def refuse_impossible_default(
    devices: Sequence[Device], backend: str, precision: str, preferred: Sequence[str] = ()
) -> None:
    """Refuses settings with which no model could be loaded here.

    Raises:
        PreconditionError: naming the setting, and what there is.
    """
    if backend:
        _refuse_unknown_backend(devices, backend)
        _refuse_unavailable_backend(devices, backend)
    for name in preferred:
        _refuse_unknown_backend(devices, name)
    if is_quantized(precision) and precision not in _QUANTIZED:
        raise PreconditionError.at(
            "precision",
            "{field} cannot be `{precision}`: weights are quantized to {known}",
            precision=shown(precision),
            known=", ".join(TARGETS),
            reason="unknown_precision",
        )
    if precision and not is_quantized(precision):
        _refuse_uncomputed_precision(devices, LoadConstraints(backend, precision))


def _refuse_unknown_backend(devices: Iterable[Device], name: str) -> None:
    known = dict.fromkeys(device.backend for device in devices)
    if name not in known:
        raise PreconditionError(
            f"there is no backend `{shown(name)}` on this machine; it has {', '.join(known) or 'none'}",
            reason="no_backend",
            field="backend",
        )


def _refuse_unavailable_backend(devices: Iterable[Device], name: str) -> None:
    mine = [device for device in devices if device.backend == name]
    if not any(device.available for device in mine):
        raise PreconditionError(
            f"the backend `{name}` has no device on this machine: {mine[0].reason or 'not available'}",
            reason="no_backend",
            field="backend",
        )


def _refuse_uncomputed_precision(devices: Iterable[Device], constraints: LoadConstraints) -> None:
    usable = [device for device in devices if device.available and constraints.backend in ("", device.backend)]
    known = dict.fromkeys(precision for device in usable for precision in device.precisions)
    if constraints.precision not in known:
        raise PreconditionError.at(
            "precision",
            "{field} cannot be `{precision}`: the devices here compute in {known}",
            precision=shown(constraints.precision),
            known=", ".join(known) or "none",
            reason="unknown_precision",
        )
