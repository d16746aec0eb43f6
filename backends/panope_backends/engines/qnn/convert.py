"""A model's graph becomes one that Qualcomm's NPU runs: of fixed lengths, its floats as integers (QDQ).

1. The graph in ONNX: as it is, or as PyTorch's exporter writes it.
2. Its lengths are fixed, and what follows from them is computed.
3. What is computed of the mask alone is split off: it is about booleans and indices, which the NPU does slowly, or not
   at all (2.7 ends with an error of memory), and its numbers are as large as floats get, which no 16 bits hold beside
   others.
4. ONNX Runtime's quantizer sees how large values become on examples, and writes weights and values as integers.
5. What was written is run on the processor and must still agree with the original.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from panope_backends.api import ModelFacts
from panope_backends.engines.equivalence import NAMES
from panope_backends.engines.onnx.files import model_file
from panope_backends.engines.onnx.model import OnnxModel, load_onnx_model
from panope_backends.engines.qnn import calibration
from panope_backends.engines.qnn.calibration import Arrays
from panope_backends.engines.qnn.files import DESCRIPTION, FIRST, GRAPH, Description, Tensor
from panope_backends.engines.qnn.graph import fix_lengths, split_masks
from panope_backends.engines.qnn.quantize import quantize
from panope_backends.engines.qnn.rows import First, Rows
from panope_backends.engines.refusals import refused_as
from panope_backends.engines.torch.pretrained import TORCH_FORMATS
from panope_backends.errors import PreconditionError
from panope_backends.host.processors import threads_to_use

#: Tokens of a text: what is longer is refused, and what is shorter takes as long.
LENGTH = 128

#: The cosine of what was written to the original. MiniLM: 0.999 and 0.88 (mean of tokens).
LEAST_COSINE = {"w8a16": 0.95, "w8a8": 0.7}

MASK = "attention_mask"

#: A file of protobuf ends at 2 GiB, and the quantizer writes one.
_MOST_BYTES = 3 << 29


def convert(model: ModelFacts, precision: str, folder: Path, out: Path) -> None:
    """Writes `qnn.json` and the graphs.

    Args:
        model: in safetensors, which PyTorch exports, or in ONNX.
        precision: `w8a16` or `w8a8`.
        folder: of its files.
        out: the empty folder.

    Raises:
        PreconditionError: it cannot be exported, has lengths that nothing fixes, or becomes another model.
    """
    import onnxruntime

    with tempfile.TemporaryDirectory(dir=out) as scratch:
        source = _source(model, folder, Path(scratch))
        original = load_onnx_model(source.parent, threads=0)
        assert isinstance(original, OnnxModel)
        description = _described(model, original, precision)
        fixed = Path(scratch) / "fixed.onnx"
        with refused_as("ONNX Runtime cannot fix the lengths of this model"):
            fix_lengths(source, _lengths(original, description), fixed)
            masks, early = split_masks(fixed, MASK, Path(scratch) / "body.onnx", out / FIRST)
        body = Path(scratch) / "body.onnx" if (out / FIRST).is_file() else fixed
        description = msgspec.structs.replace(description, masks=masks, early=early)
        examples = list(_examples(model, folder, description))
        with refused_as("ONNX Runtime cannot quantize this model"):
            first = First(onnxruntime, description, out)
            quantize(body, out / GRAPH, precision, (first.run(arrays)[0] for arrays in examples))
        _prove(original, description, out, examples)
    (out / DESCRIPTION).write_bytes(msgspec.json.encode(description))


def _source(model: ModelFacts, folder: Path, scratch: Path) -> Path:
    if model.format in TORCH_FORMATS:
        from panope_backends.engines.torch.onnx_export import export  # it brings torch

        export(model, folder, scratch)
        folder = scratch
    file = model_file(folder)
    size = sum(part.stat().st_size for part in file.parent.glob(f"{file.name}*"))
    if size > _MOST_BYTES:
        raise PreconditionError("only models of less than 1.5 GiB are converted for QNN", reason="unsupported_model")
    return file


def _described(model: ModelFacts, original: OnnxModel, precision: str) -> Description:
    """The model as callers will see it."""
    names = {spec.name for spec in original.inputs}
    reads_texts = "input_ids" in names
    if reads_texts and not {"input_ids", MASK} <= names <= set(NAMES):
        told = ", ".join(f"`{name}`" for name in sorted(names))
        raise PreconditionError(
            f"models of texts need `input_ids` and `{MASK}`, for rows are filled up; this one takes {told}",
            reason="unsupported_model",
        )
    free = [spec.name for spec in original.inputs if not reads_texts and min(spec.shape[1:], default=0) < 0]
    if free:
        raise PreconditionError(
            f"Qualcomm's NPU needs fixed lengths, and `{free[0]}` may have any", reason="unsupported_model"
        )
    length = _length(model) if reads_texts else 0
    tokens = {spec.axes[1] for spec in original.inputs if reads_texts}
    inputs = [
        Tensor(spec.name, spec.dtype, (-1, -1) if reads_texts else (-1, *spec.shape[1:])) for spec in original.inputs
    ]
    outputs = [
        Tensor(spec.name, spec.dtype, (-1, *(-1 if axis in tokens else size for axis, size in _axes(spec)[1:])))
        for spec in original.outputs
    ]
    vocabulary = model.config.get("vocab_size") if reads_texts else 0
    vocabulary = vocabulary if type(vocabulary) is int else 0
    return Description(precision, length, tuple(inputs), tuple(outputs), max_tokens=length, vocabulary=vocabulary)


def _axes(spec: Any) -> list[tuple[str, int]]:
    return list(zip(spec.axes or [""] * len(spec.shape), spec.shape, strict=True))


def _length(model: ModelFacts) -> int:
    positions = model.config.get("max_position_embeddings")
    # RoBERTa's kin count positions from past the padding token's id.
    return min(LENGTH, max(1, positions - 2)) if type(positions) is int else LENGTH


def _lengths(original: OnnxModel, description: Description) -> dict[str, int]:
    """By the names that the graph's file gives its axes."""
    found: dict[str, int] = {}
    for spec in original.inputs:
        for axis, (name, size) in enumerate(_axes(spec)):
            if size < 0:
                found[name] = description.length if axis and description.length else 1
    return found


def _examples(model: ModelFacts, folder: Path, description: Description) -> Iterator[Arrays]:
    own = calibration.own_examples(folder, description.inputs)
    if own:
        return iter(own)
    if description.length:
        return calibration.texts(folder, description.inputs, description.vocabulary or 64, description.length)
    return calibration.numbers(description.inputs)


def _prove(original: OnnxModel, description: Description, out: Path, examples: Sequence[Arrays]) -> None:
    """Refuses what integers made into another model; the processor computes them as the NPU does, but for rounding."""
    import onnxruntime

    with refused_as("ONNX Runtime cannot run the quantized model"):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads_to_use(0)
        session = onnxruntime.InferenceSession(out / GRAPH, options, providers=["CPUExecutionProvider"])
        made = Rows(description, First(onnxruntime, description, out), session)
        pairs = [
            _real(arrays, expected[tensor.name], found[tensor.name])
            for arrays in examples
            for expected, found in [(original.run(arrays), made.run(arrays))]
            for tensor in description.outputs
        ]
    worst, least = min(_cosine(*pair) for pair in pairs), LEAST_COSINE[description.precision]
    if not worst >= least:  # NaN fails too
        raise PreconditionError(
            f"integers' results have a cosine of {worst:.3f} to the original's; {least} is the least",
            reason="conversion_failed",
        )


def _real(arrays: Arrays, expected: Any, found: Any) -> tuple[Any, Any]:
    """Both results without what lies in padding, which means nothing."""
    mask = arrays.get(MASK)
    if mask is None or expected.ndim < 3 or expected.shape[1] != mask.shape[1]:
        return expected, found
    return expected[mask.astype(bool)], found[mask.astype(bool)]


def _cosine(expected: Any, found: Any) -> float:
    one, other = expected.ravel().astype(np.float64), found.ravel().astype(np.float64)
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))
