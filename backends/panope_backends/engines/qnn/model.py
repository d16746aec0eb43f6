"""Runs a converted model on the NPU, from the graph as QNN compiled it, which is kept."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from panope_backends.api import Arrays, TensorModel, TensorSpec
from panope_backends.engines.onnx.model import REFUSALS
from panope_backends.engines.packages import version_of
from panope_backends.engines.qnn.files import GRAPH, Description
from panope_backends.engines.qnn.library import Here, registered, session_options
from panope_backends.engines.qnn.rows import First, Rows
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.isolation.memory_limit import is_out_of_memory
from panope_backends.sealed_files import find_sealed, seal

_log = logging.getLogger(__name__)

Array = np.ndarray[Any, Any]

#: What the description's precisions are computed in.
COMPUTED = {"w8a16": "int16", "w8a8": "int8"}

#: What nobody has written to for so long is written no more: compiling takes minutes.
_ABANDONED_SECONDS = 86400


class QnnModel(TensorModel):
    """A model on the NPU, or on the emulator.

    Args:
        description: of the model.
        folder: of its files.
        cache_folder: where the compiled graph is kept; None for nowhere.
        threads: of what the processor computes; 0 for one a core.
    """

    def __init__(self, description: Description, folder: Path, cache_folder: Path | None, threads: int) -> None:
        self._description = description
        self.precision = COMPUTED[description.precision]
        self.inputs = [TensorSpec(each.name, each.dtype, each.shape) for each in description.inputs]
        self.outputs = [TensorSpec(each.name, each.dtype, each.shape) for each in description.outputs]
        self.max_tokens = description.max_tokens
        if description.vocabulary:
            self.index_limits = {"input_ids": description.vocabulary}
        runtime = registered()
        try:
            graph = _compiled(runtime, folder / GRAPH, cache_folder, threads)
            session = runtime.InferenceSession(graph, session_options(runtime, threads))
            self._rows: Rows | None = Rows(description, First(runtime, description, folder, threads), session)
        except REFUSALS as error:
            raise PreconditionError("QNN refuses the model", reason="load_failed") from error

    def run(self, arrays: Arrays, outputs: Sequence[str] = ()) -> dict[str, Array]:
        """Runs each row.

        Raises:
            InvalidInputError: texts that are longer than the graph, or values that it cannot take.
        """
        if self._rows is None:
            raise PreconditionError("the model is closed")
        most = self._description.length
        if most and next(iter(arrays.values())).shape[1] > most:
            raise InvalidInputError(f"texts may have {most} tokens, as the model was converted", field="inputs")
        try:
            return self._rows.run(arrays, outputs)
        except REFUSALS as error:
            if is_out_of_memory(error):
                raise
            raise InvalidInputError("the model cannot take these inputs together", field="inputs") from error

    def close(self) -> None:
        """Frees the graph."""
        self._rows = None


def _compiled(runtime: Any, graph: Path, cache_folder: Path | None, threads: int) -> Path:
    """The graph as QNN compiled it, which is kept: compiling takes many times as long as loading that."""
    if cache_folder is None:
        return graph
    try:
        return _kept(runtime, graph, cache_folder, threads) or graph
    except (OSError, *REFUSALS) as error:  # nothing can be written there; a graph that is refused is refused again
        _log.warning("the compiled graph is not kept, and is compiled at each load: %s", error)
        return graph


def _kept(runtime: Any, graph: Path, cache_folder: Path, threads: int) -> Path | None:
    key = _key(graph)
    kept = find_sealed(cache_folder, key, graph.suffix)
    if kept is None:
        (cache_folder / f"{key}{graph.suffix}").unlink(missing_ok=True)  # from before names told contents
        _sweep(cache_folder, graph.suffix)
        written = cache_folder / f"{key}.{os.getpid()}{graph.suffix}"
        compiler = runtime.ModelCompiler(session_options(runtime, threads), graph, embed_compiled_data_into_model=True)
        try:
            compiler.compile_to_file(str(written))
            kept = seal(written, key)
        finally:
            written.unlink(missing_ok=True)
    return kept


def _sweep(cache_folder: Path, suffix: str) -> None:
    """Removes what compilers were writing that were killed; those that run have written lately."""
    for path in cache_folder.glob(f"qnn-*.*{suffix}"):
        with suppress(OSError):  # another worker has removed it, or it is being given its name
            if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                path.unlink()


def _key(graph: Path) -> str:
    """Changes with the graph, the libraries, and the machine that it is compiled for."""
    here = Here.now()
    digest = hashlib.sha256(graph.read_bytes())
    for part in (version_of("onnxruntime"), version_of("onnxruntime-qnn"), here.system, here.machine, str(here.htp)):
        digest.update(part.encode())
    return f"qnn-{digest.hexdigest()[:32]}"
