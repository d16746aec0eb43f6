"""What users prefer of a model when they register it, and which precisions weights can be quantized to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from panope_backends.errors import InvalidInputError, PreconditionError
from panope_registry.inspect.precisions import is_quantized
from panope_registry.names import shown


@dataclass(frozen=True)
class Preferences:
    """The preferences of a registration; what is empty leaves what was preferred before.

    Attributes:
        preferred_format: of variants, such as `onnx`.
        preferred_precision: of variants, such as `int8`.
        quantization_targets: precisions to quantize to once the weights are here.
        keep_alive_seconds: for which it stays loaded unused; negative for ever, None: not said.
    """

    preferred_format: str = ""
    preferred_precision: str = ""
    quantization_targets: tuple[str, ...] = ()
    keep_alive_seconds: float | None = None


NO_PREFERENCES = Preferences()


@dataclass(frozen=True)
class Target:
    """A precision that weights can be quantized to.

    Attributes:
        format: that it is made in.
        source_formats: that it is made of.
    """

    format: str
    source_formats: tuple[str, ...]


_OPENVINO = Target("openvino", ("safetensors", "pytorch", "openvino"))
_GGUF = Target("gguf", ("gguf",))
_QNN = Target("qnn", ("safetensors", "pytorch", "onnx"))

TARGETS = (
    dict.fromkeys(("int8", "int4"), _OPENVINO)
    | dict.fromkeys(("w8a16", "w8a8"), _QNN)
    | {"int8wo": Target("torchao", ("safetensors", "pytorch"))}
    | dict.fromkeys(
        (
            *("q8_0", "q6_k", "q5_k_m", "q5_k_s", "q5_1", "q5_0", "q4_k_m", "q4_k_s", "q4_1", "q4_0"),
            *("q3_k_l", "q3_k_m", "q3_k_s", "q2_k"),
        ),
        _GGUF,
    )
)
"""By precision, more bits first."""


def check_targets(targets: Sequence[str]) -> None:
    """Refuses a precision that nothing is quantized to, or one that is named twice.

    Raises:
        InvalidInputError: it names the target and those there are.
    """
    if len(set(targets)) < len(targets):
        raise InvalidInputError("`quantization_targets` names a precision twice", field="quantization_targets")
    for target in targets:
        if target not in TARGETS:
            known = ", ".join(f"`{name}`" for name in TARGETS)
            raise InvalidInputError(
                f"`quantization_targets` holds `{shown(target)}`; there are {known}", field="quantization_targets"
            )


def refuse_impossible(preferences: Preferences, offered: Iterable[tuple[str, str]]) -> None:
    """Refuses what cannot come true of a repo.

    Args:
        preferences: of its user.
        offered: format and precision of each of its variants.

    Raises:
        PreconditionError: it names the preference, and what the repo holds.
    """
    held = sorted(set(offered))
    formats = sorted({format_ for format_, _ in held})
    if preferences.preferred_format and preferences.preferred_format not in formats:
        raise PreconditionError(
            f"the repo holds no {shown(preferences.preferred_format)} weights; it holds {', '.join(formats)}",
            reason="unknown_format",
            field="preferred_format",
        )
    if preferences.preferred_precision and preferences.preferred_precision not in {
        *(precision for _, precision in held),
        *(target for target in TARGETS if _can_be_made(target, held)),
        "fp32",  # what conversions compute in
    }:
        raise PreconditionError(
            f"the repo holds no {shown(preferences.preferred_precision)} weights, and none can be made; "
            f"it holds {_listed(held)}",
            reason="unknown_precision",
            field="preferred_precision",
        )
    for target in preferences.quantization_targets:
        if not _can_be_made(target, held):
            formats_read = " or ".join(TARGETS[target].source_formats)
            raise PreconditionError(
                f"`{target}` is made of {formats_read} weights of at least 16 bits; the repo holds {_listed(held)}",
                reason="no_conversion",
                field="quantization_targets",
            )


def _can_be_made(target: str, held: Iterable[tuple[str, str]]) -> bool:
    return any(is_source(target, format_, precision) for format_, precision in held)


def is_source(target: str, format_: str, precision: str) -> bool:
    """Returns whether a variant of that format and precision can be quantized to the target."""
    return format_ in TARGETS[target].source_formats and not is_quantized(precision)


def _listed(held: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{format_} {precision}".strip() for format_, precision in held)
