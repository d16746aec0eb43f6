"""Why it was concluded what is known of a model, in sentences for people."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from panope_backends.python_models.layout import FORMAT as OWN_CODE
from panope_registry.inspect.file_kinds import IMPORTED, FileKind
from panope_registry.inspect.tasks import ResolvedTask
from panope_registry.inspect.weights import WeightSet
from panope_registry.names import shown


def reasons_of_candidates(task: ResolvedTask) -> dict[str, str]:
    """Of what a model may be for, where several tasks are spoken for."""
    if task.candidates:
        return {"candidates": f"it may be for {listed(task.candidates)}; nothing says for which"}
    if len(task.spoken_for) > 1:
        return {"candidates": f"the evidence speaks for {listed(task.spoken_for)}"}
    return {}


def reasons_of_weights(weight_sets: Collection[WeightSet], config: Mapping[str, Any]) -> dict[str, str]:
    """Of the formats and precisions."""
    return {
        "format": listed([f"{found.format}: {', '.join(found.main_files)}" for found in weight_sets], "; "),
        "precision": listed([_precision_reason(found, config) for found in weight_sets], "; "),
    }


def reasons_of_kinds(kinds: Mapping[str, FileKind]) -> dict[str, str]:
    """Of the files that are left out."""
    skipped = [f"{path} ({kind})" for path, kind in sorted(kinds.items()) if kind not in IMPORTED]
    return {"left out": listed(skipped)} if skipped else {}


def packing(config: Mapping[str, Any]) -> str:
    """Returns the precision that config.json declares for packed weights, such as `int4`; empty for others."""
    quantization = config.get("quantization_config")
    bits = quantization.get("bits") if isinstance(quantization, dict) else None
    return f"int{bits}" if type(bits) is int and bits in (2, 3, 4, 8) else ""


def _precision_reason(found: WeightSet, config: Mapping[str, Any]) -> str:
    packed = packing(config)
    if packed and found.format == "safetensors":
        return f"config.json declares packed weights of {packed}"
    if found.format == OWN_CODE:
        return "the model's own code decides on it"
    if found.format == "pytorch":
        return f"{shown(found.main_files[0])} is a pickle, which is not opened to look"
    counts = sorted(found.facts.elements.items(), key=lambda item: -item[1])
    return f"{shown(found.main_files[0])} holds " + listed([f"{count} elements of {name}" for name, count in counts])


def listed(items: Sequence[str], separator: str = ", ", limit: int = 8) -> str:
    """At most `limit` of them, and how many more there are."""
    more = [f"and {len(items) - limit} more"] if len(items) > limit else []
    return separator.join([shown(item) for item in items[:limit]] + more)
