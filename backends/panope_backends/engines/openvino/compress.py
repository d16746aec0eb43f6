"""Makes the weights of an OpenVINO graph smaller, and proves that the model is still the same one.

16 bits are a matter of how they are written; 8 and 4 are NNCF's work. Weights alone are quantized, and no data is
needed; docs/decisions/0104 has the measurements.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from panope_backends.api import ModelFacts
from panope_backends.engines.equivalence import NAMES, prove_alike
from panope_backends.engines.openvino.convert import Compiled, Saved, kept_if_right, save, traced
from panope_backends.engines.openvino.model import port_name
from panope_backends.engines.openvino.runtime import import_compressor
from panope_backends.engines.refusals import refused_as
from panope_backends.errors import PreconditionError

#: Precision -> the cosine to the original that its results must reach. MiniLM: 0.999 and 0.96.
LEAST_COSINE = {"fp16": 0.9999, "int8": 0.99, "int4": 0.85}

#: Weights that share a scale in int4. 32 instead of 64 costs 2 % of size and gains 0.01 of cosine (MiniLM).
GROUP_SIZE = 32

#: Of float16, in which scales are written.
_LARGEST_HALF = 65504.0


def compress(model: ModelFacts, precision: str, folder: Path, file: Path) -> None:
    """Writes `file` and the smaller weights beside it.

    Args:
        model: in OpenVINO's format, or in one that is converted first.
        precision: `fp16`, `int8` or `int4`.
        folder: the model's files.
        file: to write.

    Raises:
        PreconditionError: the model cannot be loaded or converted, takes no texts, or becomes another one.
    """
    graph = _read(folder / file.name) if model.format == "openvino" else traced(model, folder)
    names = sorted(port_name(tensor) for tensor in graph.inputs)
    if not {"input_ids"} <= set(names) <= set(NAMES):
        raise PreconditionError(
            f"only models of texts are quantized as yet; this one takes {', '.join(f'`{name}`' for name in names)}",
            reason="unsupported_model",
        )
    with refused_as("OpenVINO cannot run the model"):
        original = Compiled(graph)
    save(compress_graph(graph, precision), file, halves=precision == "fp16")
    with kept_if_right(file), refused_as("OpenVINO cannot run the quantized model"):
        prove_alike(
            original.run,
            Saved(file, names).run,
            names,
            _number(model.config, "vocab_size") or 64,
            _number(model.config, "max_position_embeddings"),
            at_least=LEAST_COSINE[precision],
        )


def _read(file: Path) -> Any:
    if not file.is_file():
        raise PreconditionError(f"the model has no file `{file.name}`", reason="missing_file")
    openvino, _ = import_compressor()
    try:
        return openvino.Core().read_model(file)
    except RuntimeError as error:
        raise PreconditionError("OpenVINO refuses the model", reason="load_failed") from error


def compress_graph(graph: Any, precision: str) -> Any:
    """A graph with its weights in 8 or 4 bits; the same graph for other precisions.

    Raises:
        PreconditionError: NNCF cannot quantize it.
    """
    if precision not in ("int8", "int4"):
        return graph
    _, nncf = import_compressor()
    nncf.set_log_level(logging.ERROR)
    if precision == "int8":
        options = {"mode": nncf.CompressWeightsMode.INT8_ASYM}
    else:
        adjust = nncf.GroupSizeFallbackMode.ADJUST
        options = {
            "mode": nncf.CompressWeightsMode.INT4_ASYM,
            "ratio": 1.0,
            "group_size": GROUP_SIZE,
            # Weights whose rows are no multiple of the group size, and are smaller than a group, stay in int8.
            "advanced_parameters": nncf.AdvancedCompressionParameters(group_size_fallback_mode=adjust),
        }
    scope = nncf.IgnoredScope(names=_readers_of_large_numbers(graph), validate=False)
    with refused_as("NNCF cannot quantize this model"):
        return nncf.compress_weights(graph, ignored_scope=scope, **options)


def _readers_of_large_numbers(graph: Any) -> list[str]:
    """The nodes that read constants whose scales would leave 16 bits: masks, which NNCF takes for weights."""
    openvino, _ = import_compressor()
    floats = (openvino.Type.f32, openvino.Type.f64)
    tables = [op for op in graph.get_ops() if op.get_type_name() == "Constant" and op.get_element_type() in floats]
    large = [op for op in tables if op.data.size and max(-float(op.data.min()), float(op.data.max())) > _LARGEST_HALF]
    return [port.get_node().get_friendly_name() for op in large for port in op.output(0).get_target_inputs()]


def _number(config: Mapping[str, Any], key: str) -> int:
    value = config.get(key)
    return value if type(value) is int else 0
