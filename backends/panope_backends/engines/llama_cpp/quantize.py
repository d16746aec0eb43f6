"""Makes a GGUF file's weights smaller, one tensor after another; everything else stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType, GGUFValueType

from panope_backends.errors import PreconditionError

#: Of kinds by their bits: the cosine to the original that each tensor must reach. Normal weights: 0.9999 to 0.996.
LEAST_COSINE = {"q8_0": 0.9995, "q5_1": 0.995, "q5_0": 0.995, "q4_1": 0.98, "q4_0": 0.98}

#: Written in 8 bits whatever the rest is: the last layer decides on the token. llama.cpp takes 6 bits for it.
OUTPUT, EMBEDDINGS = "output.weight", "token_embd.weight"

#: Small, read often, and bad to round: what llama.cpp leaves alone too.
_KEPT = ("_norm.weight", "ffn_gate_inp.weight", "position_embd.weight", "token_types.weight", "ssm_conv1d.weight")

#: Keys that tell of the file and not of the model.
_OF_THE_FILE = (
    "GGUF.",
    "split.",
    "general.architecture",  # the writer's own
    "general.file_type",
    "general.quantization_version",
    "general.alignment",
)

_READABLE = (GGMLQuantizationType.F32, GGMLQuantizationType.F16, GGMLQuantizationType.BF16)


def quantize(sources: Sequence[Path], kind: str, file: Path) -> None:
    """Writes `file` with the matrices in `kind`.

    Args:
        sources: the model's files; the first has the metadata.
        kind: such as `q8_0`.
        file: to write.

    Raises:
        PreconditionError: a file is no GGUF, is quantized already, or a tensor becomes another one.
    """
    try:
        readers = [gguf.GGUFReader(source) for source in sources]
    except (ValueError, IndexError, KeyError) as error:
        raise PreconditionError("the GGUF file cannot be read", reason="load_failed") from error
    tensors = [tensor for reader in readers for tensor in reader.tensors]
    wanted = GGMLQuantizationType[kind.upper()]
    types = {tensor.name: _type_for(tensor, wanted, tensors) for tensor in tensors}
    if set(types.values()) & {wanted} == set():
        raise PreconditionError("the GGUF file has no weights that can be made smaller", reason="nothing_to_quantize")
    writer = gguf.GGUFWriter(file, _architecture(readers[0]))
    try:
        _copy_metadata(readers[0], writer, kind)
        for tensor in tensors:
            kept = tensor.data if types[tensor.name] is tensor.tensor_type else None
            shape = (
                kept.shape if kept is not None else gguf.quant_shape_to_byte_shape(_shape(tensor), types[tensor.name])
            )
            dtype = kept.dtype if kept is not None else np.dtype(np.uint8)
            size = int(np.prod(shape)) * dtype.itemsize
            writer.add_tensor_info(tensor.name, shape, dtype, size, types[tensor.name])
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for tensor in tensors:
            writer.write_tensor_data(_data(tensor, types[tensor.name], kind))
    finally:
        writer.close()


def _type_for(tensor: Any, wanted: Any, tensors: Sequence[Any]) -> Any:
    """What a tensor is written in."""
    shape = _shape(tensor)
    if len(shape) < 2 or not tensor.name.endswith(".weight") or tensor.name.endswith(_KEPT):
        return tensor.tensor_type
    if tensor.tensor_type not in _READABLE:
        raise PreconditionError(
            f"the weights are quantized already (`{tensor.tensor_type.name.lower()}`): doing it twice would lose more",
            reason="already_quantized",
        )
    if shape[-1] % gguf.GGML_QUANT_SIZES[wanted][0]:
        return tensor.tensor_type
    last = OUTPUT if any(other.name == OUTPUT for other in tensors) else EMBEDDINGS
    return GGMLQuantizationType.Q8_0 if tensor.name == last else wanted


def _shape(tensor: Any) -> tuple[int, ...]:
    """Rows first; GGUF writes them last."""
    return tuple(int(size) for size in reversed(tensor.shape))


def _architecture(reader: Any) -> str:
    field = reader.get_field("general.architecture")
    if field is None:
        raise PreconditionError("the GGUF file names no architecture", reason="load_failed")
    return str(field.contents())


def _copy_metadata(reader: Any, writer: Any, kind: str) -> None:
    for name, field in reader.fields.items():
        if name.startswith(_OF_THE_FILE):
            continue
        content = _content(field)
        if content != []:  # the writer has no form for an empty list
            writer.add_key_value(name, content, field.types[0], field.types[-1])
    writer.add_file_type(gguf.LlamaFileType[f"MOSTLY_{kind.upper()}"])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def _content(field: Any) -> Any:
    """A value as the writer takes it; texts as bytes, because tokens are not always text."""
    if field.types[0] is GGUFValueType.STRING:
        return field.parts[-1].tobytes()
    if field.types[0] is GGUFValueType.ARRAY and field.types[-1] is GGUFValueType.STRING:
        return [field.parts[index].tobytes() for index in field.data]
    return field.contents()


def _data(tensor: Any, wanted: Any, kind: str) -> Any:
    if wanted is tensor.tensor_type:
        return tensor.data
    exact = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
    smaller = gguf.quants.quantize(exact, wanted)
    one = exact.ravel()
    other = gguf.quants.dequantize(smaller, wanted).ravel()
    norms = float(np.linalg.norm(one)) * float(np.linalg.norm(other))
    cosine = float(one @ other) / norms if norms else float(not one.any())
    if not cosine >= LEAST_COSINE[kind]:  # NaN fails too
        raise PreconditionError(
            f"tensor `{tensor.name}` in {kind} has a cosine of {cosine:.4f} to the original; "
            f"{LEAST_COSINE[kind]} is the least",
            reason="conversion_failed",
        )
    return smaller
