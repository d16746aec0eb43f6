"""Loads a decoder that was converted: reads it, puts paged attention in the place of its markers, compiles it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from panope_backends.engines.openvino.paged.facts import read_facts
from panope_backends.engines.openvino.paged.geometry import PRECISIONS
from panope_backends.engines.openvino.paged.markers import page
from panope_backends.engines.openvino.paged.model import OpenVinoStepModel


def load_step_model(
    openvino: Any, file: Path, configuration: Mapping[str, object], *, precision: str, cache_precision: str
) -> OpenVinoStepModel:
    """Loads it onto the processor.

    Args:
        openvino: the module.
        file: the graph; what it does not tell lies beside it.
        configuration: of OpenVINO, its precision included.
        precision: of the configuration.
        cache_precision: one of those that go with it (`geometry.CACHE_PRECISIONS`).

    Raises:
        PreconditionError: the files are not those of one conversion.
        RuntimeError: OpenVINO's own.
    """
    facts = read_facts(file.parent)
    core = openvino.Core()
    graph = core.read_model(file)
    page(openvino, graph, facts)
    settings = {**configuration, "KV_CACHE_PRECISION": PRECISIONS[cache_precision]}
    compiled = core.compile_model(graph, "CPU", settings)
    return OpenVinoStepModel(openvino, compiled, facts, precision=precision, cache_precision=cache_precision)
