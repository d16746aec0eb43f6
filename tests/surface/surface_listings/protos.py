"""The typed gRPC services: methods, messages with their fields and numbers, enums."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, FileDescriptor, ServiceDescriptor

import panope.v1

_SCALARS = {
    value: name.removeprefix("TYPE_").lower()
    for name, value in vars(FieldDescriptor).items()
    if name.startswith("TYPE_") and name != "TYPE_MESSAGE"
}


def listing() -> str:
    """Every declaration of `panope.v1`, services first, by name."""
    files = list(_files())
    services = sorted((s for file in files for s in file.services_by_name.values()), key=lambda s: s.full_name)
    messages = sorted((m for file in files for m in file.message_types_by_name.values()), key=lambda m: m.full_name)
    enums = sorted((e for file in files for e in file.enum_types_by_name.values()), key=lambda e: e.full_name)
    blocks = [*map(_service, services), *map(_message, messages), *map(_enum, enums)]
    return "\n\n".join(blocks) + "\n"


def _files() -> Iterator[FileDescriptor]:
    for module in iter_modules(panope.v1.__path__, "panope.v1."):
        if module.name.endswith("_pb2"):
            yield import_module(module.name).DESCRIPTOR


def _service(service: ServiceDescriptor) -> str:
    lines = [f"service {service.full_name}"]
    for method in service.methods:
        request = ("stream " if method.client_streaming else "") + method.input_type.full_name
        response = ("stream " if method.server_streaming else "") + method.output_type.full_name
        lines.append(f"    {method.name}({request}) -> {response}")
    return "\n".join(lines)


def _message(message: Descriptor) -> str:
    if message.GetOptions().map_entry:
        return ""
    lines = [f"message {message.full_name}"]
    lines += [f"    {field.number} {field.name}: {_type(field)}" for field in message.fields]
    nested = [_message(inner) for inner in message.nested_types] + [_enum(inner) for inner in message.enum_types]
    return "\n\n".join(["\n".join(lines), *filter(None, nested)])


def _enum(enum: EnumDescriptor) -> str:
    return "\n".join([f"enum {enum.full_name}", *(f"    {value.number} {value.name}" for value in enum.values)])


def _type(field: FieldDescriptor) -> str:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        key, value = (_type(field.message_type.fields_by_name[name]) for name in ("key", "value"))
        return f"map of {key} to {value}"
    name = _scalar_or_reference(field)
    if field.is_repeated:
        return f"repeated {name}"
    oneof = field.containing_oneof
    if oneof is None:
        return name
    return f"optional {name}" if oneof.name.startswith("_") else f"{name}, one of {oneof.name}"


def _scalar_or_reference(field: FieldDescriptor) -> str:
    reference = field.message_type or field.enum_type
    return str(reference.full_name) if reference is not None else _SCALARS[field.type]
