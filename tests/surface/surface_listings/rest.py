"""REST: every route with its parameters, body and answer, and the fields of every schema, from openapi.json."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = ROOT / "server/panope_server/transport/openapi.json"

Json = Mapping[str, Any]


def listing() -> str:
    """The routes by path, then the schemas by name."""
    document = json.loads(DOCUMENT.read_text())
    routes = [
        "\n".join(_route(verb, path, operation))
        for path, operations in sorted(document["paths"].items())
        for verb, operation in sorted(operations.items())
    ]
    schemas = ["\n".join(_schema(name, schema)) for name, schema in sorted(document["components"]["schemas"].items())]
    return "\n\n".join([*routes, *schemas]) + "\n"


def _route(verb: str, path: str, operation: Json) -> Iterator[str]:
    yield f"{verb.upper()} {path}"
    for parameter in operation.get("parameters", ()):
        yield f"    {parameter['in']} {parameter['name']}: {_type(parameter['schema'])}"
    if "requestBody" in operation:
        yield f"    body: {_content(operation['requestBody'])}"
    for status, response in sorted(operation["responses"].items()):
        if "$ref" not in response:
            yield f"    {status}: {_content(response)}"


def _content(body: Json) -> str:
    """The media types and, where they are JSON, the types."""
    contents = body.get("content", {})
    return ", ".join(f"{media} {_type(content.get('schema', {}))}".strip() for media, content in contents.items())


def _schema(name: str, schema: Json) -> Iterator[str]:
    if "properties" not in schema:
        yield f"schema {name}: {_type(schema)}"
        return
    yield f"schema {name}"
    required = set(schema.get("required", ()))
    for field, kind in sorted(schema["properties"].items()):
        yield f"    {field}{'' if field in required else '?'}: {_type(kind)}"


def _type(schema: Json) -> str:
    """A type in short; limits of values are not part of it."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(sorted({_type(kind) for kind in schema[key]}))
    if "enum" in schema or "const" in schema:
        values = schema["enum"] if "enum" in schema else [schema["const"]]
        return " or ".join(sorted(json.dumps(value) for value in values))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if isinstance(schema.get("additionalProperties"), Mapping):
        return f"map of {_type(schema['additionalProperties'])}"
    return str(schema.get("type", "any"))
