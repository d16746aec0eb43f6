"""Reads Triton's config.pbtxt, in protobuf's text format, by protobuf's own parser.

The schema below says which fields there are; it has their names and kinds alone, because a text holds no numbers. What
it does not know is refused by name and line, so that nothing that a file asks for is passed over unseen.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory, text_format

MAX_BYTES = 256 << 10
"""The longest that are seen have a hundredth of it."""


class ConfigError(Exception):
    """What is wrong with a configuration; its text may hold what the file holds."""


#: Message -> field -> kind: a scalar of protobuf, an enumeration or a message; `*` before it where there may be many,
#: `a>b` for a map. No message holds itself, so that depth is bounded.
SCHEMA: Mapping[str, Mapping[str, str]] = {
    "ModelConfig": {
        "name": "string",
        "platform": "string",
        "backend": "string",
        "runtime": "string",
        "version_policy": "VersionPolicy",
        "max_batch_size": "int32",
        "input": "*Input",
        "output": "*Output",
        "batch_input": "*BatchInput",
        "batch_output": "*BatchOutput",
        "optimization": "Optimization",
        "dynamic_batching": "DynamicBatching",
        "sequence_batching": "SequenceBatching",
        "ensemble_scheduling": "Ensemble",
        "instance_group": "*InstanceGroup",
        "default_model_filename": "string",
        "cc_model_filenames": "string>string",
        "metric_tags": "string>string",
        "parameters": "string>Parameter",
        "model_warmup": "*Warmup",
        "model_operations": "Operations",
        "model_transaction_policy": "TransactionPolicy",
        "model_repository_agents": "Agents",
        "response_cache": "ResponseCache",
        "model_metrics": "Metrics",
    },
    "VersionPolicy": {"latest": "Latest", "all": "Nothing", "specific": "Specific"},
    "Latest": {"num_versions": "uint32"},
    "Specific": {"versions": "*int64"},
    "Nothing": {},
    "Reshape": {"shape": "*int64"},
    "Input": {
        "name": "string",
        "data_type": "DataType",
        "format": "Format",
        "dims": "*int64",
        "reshape": "Reshape",
        "is_shape_tensor": "bool",
        "allow_ragged_batch": "bool",
        "optional": "bool",
        "is_non_linear_format_io": "bool",
    },
    "Output": {
        "name": "string",
        "data_type": "DataType",
        "dims": "*int64",
        "reshape": "Reshape",
        "label_filename": "string",
        "is_shape_tensor": "bool",
        "is_non_linear_format_io": "bool",
    },
    "BatchInput": {
        "kind": "BatchInputKind",
        "target_name": "*string",
        "data_type": "DataType",
        "source_input": "*string",
    },
    "BatchOutput": {"target_name": "*string", "kind": "BatchOutputKind", "source_input": "*string"},
    "RateResource": {"name": "string", "global": "bool", "count": "uint32"},
    "RateLimiter": {"resources": "*RateResource", "priority": "uint32"},
    "SecondaryDevice": {"kind": "SecondaryDeviceKind", "device_id": "int64"},
    "InstanceGroup": {
        "name": "string",
        "kind": "InstanceKind",
        "count": "int32",
        "rate_limiter": "RateLimiter",
        "gpus": "*int32",
        "secondary_devices": "*SecondaryDevice",
        "profile": "*string",
        "passive": "bool",
        "host_policy": "string",
    },
    "Graph": {"level": "int32"},
    "GraphShape": {"dim": "*int64"},
    "LowerBound": {"batch_size": "int32", "input": "string>GraphShape"},
    "GraphSpec": {"batch_size": "int32", "input": "string>GraphShape", "graph_lower_bound": "LowerBound"},
    "Cuda": {"graphs": "bool", "busy_wait_events": "bool", "graph_spec": "*GraphSpec", "output_copy_stream": "bool"},
    "Accelerator": {"name": "string", "parameters": "string>string"},
    "Accelerators": {"gpu_execution_accelerator": "*Accelerator", "cpu_execution_accelerator": "*Accelerator"},
    "Pinned": {"enable": "bool"},
    "Optimization": {
        "graph": "Graph",
        "priority": "ModelPriority",
        "cuda": "Cuda",
        "execution_accelerators": "Accelerators",
        "input_pinned_memory": "Pinned",
        "output_pinned_memory": "Pinned",
        "gather_kernel_buffer_threshold": "uint32",
        "eager_batching": "bool",
    },
    "QueuePolicy": {
        "timeout_action": "TimeoutAction",
        "default_timeout_microseconds": "uint64",
        "allow_timeout_override": "bool",
        "max_queue_size": "uint32",
    },
    "DynamicBatching": {
        "preferred_batch_size": "*int32",
        "max_queue_delay_microseconds": "uint64",
        "preserve_ordering": "bool",
        "priority_levels": "uint64",
        "default_priority_level": "uint64",
        "default_queue_policy": "QueuePolicy",
        "priority_queue_policy": "uint64>QueuePolicy",
    },
    "Control": {
        "kind": "ControlKind",
        "int32_false_true": "*int32",
        "fp32_false_true": "*float",
        "bool_false_true": "*bool",
        "data_type": "DataType",
    },
    "ControlInput": {"name": "string", "control": "*Control"},
    "InitialState": {
        "data_type": "DataType",
        "dims": "*int64",
        "zero_data": "bool",
        "data_file": "string",
        "name": "string",
    },
    "State": {
        "input_name": "string",
        "output_name": "string",
        "data_type": "DataType",
        "dims": "*int64",
        "initial_state": "*InitialState",
        "use_same_buffer_for_input_output": "bool",
        "use_growable_memory": "bool",
    },
    "DirectSequences": {"max_queue_delay_microseconds": "uint64", "minimum_slot_utilization": "float"},
    "OldestSequences": {
        "max_candidate_sequences": "int32",
        "preferred_batch_size": "*int32",
        "max_queue_delay_microseconds": "uint64",
        "preserve_ordering": "bool",
    },
    "SequenceBatching": {
        "direct": "DirectSequences",
        "oldest": "OldestSequences",
        "max_sequence_idle_microseconds": "uint64",
        "control_input": "*ControlInput",
        "state": "*State",
        "iterative_sequence": "bool",
        "generative_sequence": "bool",
    },
    "Step": {
        "model_name": "string",
        "model_version": "int64",
        "input_map": "string>string",
        "output_map": "string>string",
        "model_namespace": "string",
    },
    "Ensemble": {"step": "*Step", "max_inflight_requests": "uint32"},
    "Parameter": {"string_value": "string"},
    "WarmupInput": {
        "data_type": "DataType",
        "dims": "*int64",
        "zero_data": "bool",
        "random_data": "bool",
        "input_data_file": "string",
    },
    "Warmup": {"name": "string", "batch_size": "uint32", "inputs": "string>WarmupInput", "count": "uint32"},
    "Operations": {"op_library_filename": "*string"},
    "TransactionPolicy": {"decoupled": "bool"},
    "Agent": {"name": "string", "parameters": "string>string"},
    "Agents": {"agents": "*Agent"},
    "ResponseCache": {"enable": "bool"},
    "MetricIdentifier": {"family": "string"},
    "Histogram": {"buckets": "*double"},
    "MetricControl": {"metric_identifier": "MetricIdentifier", "histogram_options": "Histogram"},
    "Metrics": {"metric_control": "*MetricControl"},
}

_NUMBERS = "UINT8 UINT16 UINT32 UINT64 INT8 INT16 INT32 INT64 FP16 FP32 FP64 STRING BF16"
_ACCUMULATED = "BATCH_ACCUMULATED_ELEMENT_COUNT"

#: Enumeration -> its values.
VALUES = {
    "DataType": f"TYPE_INVALID TYPE_BOOL {' '.join(f'TYPE_{number}' for number in _NUMBERS.split())}",
    "Format": "FORMAT_NONE FORMAT_NHWC FORMAT_NCHW",
    "InstanceKind": "KIND_AUTO KIND_GPU KIND_CPU KIND_MODEL",
    "SecondaryDeviceKind": "KIND_NVDLA",
    "ModelPriority": "PRIORITY_DEFAULT PRIORITY_MAX PRIORITY_MIN",
    "TimeoutAction": "REJECT DELAY",
    "ControlKind": "CONTROL_SEQUENCE_START CONTROL_SEQUENCE_READY CONTROL_SEQUENCE_END CONTROL_SEQUENCE_CORRID",
    "BatchInputKind": f"BATCH_ELEMENT_COUNT {_ACCUMULATED} {_ACCUMULATED}_WITH_ZERO BATCH_MAX_ELEMENT_COUNT_AS_SHAPE "
    "BATCH_ITEM_SHAPE BATCH_ITEM_SHAPE_FLATTEN",
    "BatchOutputKind": "BATCH_SCATTER_WITH_INPUT_SHAPE",
}

_PACKAGE = "panope.triton"
_SCALARS = {kind: getattr(descriptor_pb2.FieldDescriptorProto, f"TYPE_{kind.upper()}") for kind in (
    "string", "bool", "int32", "int64", "uint32", "uint64", "float", "double"
)}  # fmt: skip


def parse_config(data: bytes) -> Any:
    """Returns the configuration in a file's bytes, as a message with Triton's fields.

    Raises:
        ConfigError: it is none, or asks for a field that Triton has not; the message names the line.
    """
    if len(data) > MAX_BYTES:
        raise ConfigError(f"it is larger than {MAX_BYTES >> 10} KiB")
    try:
        return text_format.Parse(data.decode(), _message())
    except UnicodeDecodeError:
        raise ConfigError("it is not UTF-8 text") from None
    except text_format.ParseError as error:
        raise ConfigError(_place_and_problem(error)) from None
    except (RecursionError, ValueError):  # protobuf's words for what it cannot hold, such as a lone surrogate
        raise ConfigError("it is no configuration") from None


def config_of_document(document: dict[str, Any]) -> Any:
    """Returns the message of a configuration in JSON's form, as `triton.as_document` gives it.

    Raises:
        ConfigError: it has a field that Triton has not, or a value of another kind.
    """
    try:
        return json_format.ParseDict(document, _message())
    except json_format.ParseError as error:
        raise ConfigError(str(error).replace(f"{_PACKAGE}.", "")) from None


def _place_and_problem(error: text_format.ParseError) -> str:
    problem = str(error).partition(" : ")[2] or str(error)
    place = f"line {error.GetLine()}, column {error.GetColumn()}: " if error.GetLine() else ""
    for kind in VALUES:
        problem = problem.replace(f"{kind}Holder.", "")
    return place + problem.replace(f"{_PACKAGE}.", "")


def _message() -> Any:
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{_PACKAGE}.ModelConfig"))()


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    """Returns a pool of its own, so that a Triton client in the same process cannot be in the way."""
    file = descriptor_pb2.FileDescriptorProto(name="panope/triton.proto", package=_PACKAGE, syntax="proto3")
    for name, values in VALUES.items():
        # In a message each, because values of enumerations beside each other share one space of names.
        holder = file.message_type.add(name=f"{name}Holder").enum_type.add(name=name)
        for number, value in enumerate(values.split()):
            holder.value.add(name=value, number=number)
    for name, fields in SCHEMA.items():
        message = file.message_type.add(name=name)
        for number, (field, kind) in enumerate(fields.items(), start=1):
            _add_field(message, field, kind, number)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _add_field(message: descriptor_pb2.DescriptorProto, name: str, kind: str, number: int) -> None:
    labels = descriptor_pb2.FieldDescriptorProto
    many = kind.startswith("*") or ">" in kind
    field = message.field.add(name=name, number=number, label=labels.LABEL_REPEATED if many else labels.LABEL_OPTIONAL)
    if ">" in kind:
        entry = "".join(part.capitalize() for part in name.split("_")) + "Entry"
        key, _, value = kind.partition(">")
        pair = message.nested_type.add(name=entry)
        pair.options.map_entry = True
        _add_field(pair, "key", key, 1)
        _add_field(pair, "value", value, 2)
        field.type, field.type_name = labels.TYPE_MESSAGE, f".{_PACKAGE}.{message.name}.{entry}"
        return
    kind = kind.removeprefix("*")
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    elif kind in VALUES:
        field.type, field.type_name = labels.TYPE_ENUM, f".{_PACKAGE}.{kind}Holder.{kind}"
    else:
        field.type, field.type_name = labels.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
