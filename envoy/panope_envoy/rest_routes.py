"""The REST routes, read from the descriptors that the transcoder reads too: nothing is listed twice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

from google.api import annotations_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet, MethodDescriptorProto

#: The façade's package: methods that exist for REST alone.
FACADE = "panope.rest.v1"

_VERBS = ("get", "put", "post", "delete", "patch")
_VARIABLE = re.compile(r"\{(\w+)(?:=([^}]*))?\}")


@dataclass(frozen=True)
class RestRoute:
    """One `google.api.http` binding.

    Attributes:
        verb: the HTTP method, such as `POST`.
        template: the path, such as `/v1/models/{model=**}`.
        service: the full name of the gRPC service.
        method: the name of its method.
    """

    verb: str
    template: str
    service: str
    method: str

    @property
    def pattern(self) -> str:
        """A regular expression for the paths that the template matches, a trailing slash included."""
        parts: list[str] = []
        end = 0
        for variable in _VARIABLE.finditer(self.template):
            parts.append(re.escape(self.template[end : variable.start()]))
            shape = variable.group(2) or "*"
            parts.append("/".join(".+" if part == "**" else "[^/]+" for part in shape.split("/")))
            end = variable.end()
        parts.append(re.escape(self.template[end:]))
        return "".join(parts) + "/?"


def descriptors() -> bytes:
    """The serialized FileDescriptorSet of every service, made by protos/generate.py."""
    return files("panope_envoy").joinpath("descriptors.binpb").read_bytes()


def rest_routes() -> list[RestRoute]:
    """Every binding of every service, additional bindings included, in the order of the protos."""
    found = FileDescriptorSet.FromString(descriptors())
    return [
        RestRoute(verb, template, f"{file.package}.{service.name}", method.name)
        for file in found.file
        for service in file.service
        for method in service.method
        for verb, template in _bindings(method)
    ]


def _bindings(method: MethodDescriptorProto) -> Iterator[tuple[str, str]]:
    if not method.options.HasExtension(annotations_pb2.http):
        return
    rule = method.options.Extensions[annotations_pb2.http]
    for binding in (rule, *rule.additional_bindings):
        verb = binding.WhichOneof("pattern")
        if verb in _VERBS:
            yield verb.upper(), getattr(binding, verb)
