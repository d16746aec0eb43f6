"""Floats become integers, by ONNX Runtime's quantizer with the settings that it has for QNN."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray[Any, Any]]


def quantize(source: Path, file: Path, precision: str, examples: Iterable[Arrays]) -> None:
    """Writes the graph with weights of 8 bits, a scale for each row of them, and values of 16 or 8.

    Args:
        source: the graph, of fixed lengths.
        file: to write.
        precision: `w8a16` or `w8a8`.
        examples: to see how large values become.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantType
    from onnxruntime.quantization import quantize as write
    from onnxruntime.quantization.execution_providers.qnn import get_qnn_qdq_config

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # the library has no types
        def __init__(self, examples: Iterator[Arrays]) -> None:
            self._examples = examples

        def get_next(self) -> Arrays | None:
            return next(self._examples, None)

    logging.getLogger().disabled, was = True, logging.getLogger().disabled  # it advises on the root logger
    try:
        config = get_qnn_qdq_config(
            str(source),
            Reader(iter(examples)),
            activation_type=QuantType.QUInt16 if precision == "w8a16" else QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            init_overrides=_unsigned(onnx.load(source, load_external_data=False).graph, QuantType.QUInt8),
        )
        write(str(source), str(file), config)
    finally:
        logging.getLogger().disabled = was


def _unsigned(graph: Any, kind: Any) -> dict[str, list[dict[str, Any]]]:
    """The scales of normalizations, which the NPU takes without a sign, or leaves to the processor."""
    weights = {initializer.name for initializer in graph.initializer}
    scales = {node.input[1] for node in graph.node if node.op_type == "LayerNormalization"}
    return {name: [{"quant_type": kind}] for name in sorted(scales & weights)}
