"""Tensors of the public protocol to and from the pipeline's."""

from __future__ import annotations

from collections.abc import Sequence

from panope.v1 import tensor_pb2 as pb
from panope_backends.api import TensorSpec
from panope_backends.wire.text_elements import DTYPE as TEXTS
from panope_server.tasks.tensors import NamedTensor

DTYPES = {
    pb.DATA_TYPE_BOOL: "bool",
    pb.DATA_TYPE_UINT8: "uint8",
    pb.DATA_TYPE_UINT16: "uint16",
    pb.DATA_TYPE_UINT32: "uint32",
    pb.DATA_TYPE_UINT64: "uint64",
    pb.DATA_TYPE_INT8: "int8",
    pb.DATA_TYPE_INT16: "int16",
    pb.DATA_TYPE_INT32: "int32",
    pb.DATA_TYPE_INT64: "int64",
    pb.DATA_TYPE_FP16: "float16",
    pb.DATA_TYPE_FP32: "float32",
    pb.DATA_TYPE_FP64: "float64",
    pb.DATA_TYPE_BYTES: TEXTS,
}
DATA_TYPES = {dtype: data_type for data_type, dtype in DTYPES.items()}


def named_tensors(tensors: Sequence[pb.Tensor]) -> list[NamedTensor]:
    """The pipeline's form; an unknown data type becomes an empty dtype, which validation refuses by name."""
    return [NamedTensor(t.name, DTYPES.get(t.data_type, ""), tuple(t.shape), t.data) for t in tensors]


def tensor_messages(tensors: Sequence[NamedTensor]) -> list[pb.Tensor]:
    """The protocol's form."""
    return [pb.Tensor(name=t.name, data_type=DATA_TYPES[t.dtype], shape=t.shape, data=t.data) for t in tensors]


def spec_messages(specs: Sequence[TensorSpec]) -> list[pb.TensorSpec]:
    """What a model takes or gives, in the protocol's form."""
    return [pb.TensorSpec(name=s.name, data_type=DATA_TYPES[s.dtype], shape=s.shape) for s in specs]
